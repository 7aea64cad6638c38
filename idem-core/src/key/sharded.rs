//! State by key, behind many locks.

use std::sync::PoisonError;

use super::Key;
use crate::sync::{Mutex, MutexGuard};

/// How many locks there are; a power of two.
const SHARDS: usize = 64;

/// One `S` for each share of the keys, each with a lock of its own.
#[derive(Debug)]
pub(crate) struct Sharded<S>([Mutex<S>; SHARDS]);

impl<S: Default> Default for Sharded<S> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl<S> Sharded<S> {
    pub(crate) fn lock(&self, key: &Key) -> MutexGuard<'_, S> {
        self.shard(key).lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, key: &Key) -> &Mutex<S> {
        let [first, ..] = &self.0;
        // Maps inside use the low bits.
        self.0.get((key.hash >> 48) as usize % SHARDS).unwrap_or(first)
    }

    /// All of them, one after the other.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, S>> {
        self.0.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
