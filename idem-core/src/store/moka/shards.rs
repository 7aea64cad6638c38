//! Open records, in a map with many locks.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::key::{Key, Prehashed};
use crate::record::Record;

/// How many locks there are; a power of two.
const SHARDS: usize = 64;

pub(super) struct Shards([Mutex<Shard>; SHARDS]);

#[derive(Default)]
pub(super) struct Shard {
    records: HashMap<Key, Record, Prehashed>,
    /// At how many records the expired ones are looked for next.
    sweep_at: usize,
}

impl Default for Shards {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Shards {
    pub(super) fn lock(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let [first, ..] = &self.0;
        // The map inside uses the low bits.
        let shard = self.0.get((key.hash_in_process() >> 48) as usize % SHARDS).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    pub(super) fn get(&self, key: &Key) -> Option<&Record> {
        self.records.get(key)
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.records.remove(key);
    }

    pub(super) fn insert(&mut self, key: &Key, record: Record, now: Timestamp) {
        self.records.insert(key.clone(), record);
        if self.records.len() > self.sweep_at {
            self.records.retain(|_, record| !record.is_expired(now));
            // Looked for again when the map has doubled, so that each insertion pays for a constant share.
            self.sweep_at = self.records.len() * 2 + 16;
        }
    }
}
