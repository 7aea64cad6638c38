//! Records in this process's memory.

mod builder;
mod limits;
mod scan;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use moka::sync::Cache;

pub use self::builder::MokaStoreBuilder;
use self::limits::{is_completed, Exceeded, Limits};
pub use self::limits::{FullError, WhenFull};
use super::{List, Page, Store};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::key::{Key, Prehashed, Sharded};
use crate::record::{Completed, Owner, Record};
use crate::transition::{
    transition, Change, Claim, Claimed, Finish, Ownership, Renew, SaveStep, Settle, Settled, Verb,
};

/// Keeps records in this process's memory: for one process, for tests, and for operations that need no more.
///
/// **The records end with the process, and no other process sees them.** Two replicas of a service with a `MokaStore` each
/// will both charge the customer.
///
/// Completed records live in a [moka](::moka) cache without a capacity, so no record is evicted before it expires. Given a
/// limit ([`builder`](Self::builder)), the store refuses new keys when it is full. A clone is the same store.
#[derive(Clone)]
pub struct MokaStore {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    /// Running, failed and unknown records. The lock of a key's shard makes every verb on the key atomic, including what the
    /// verb writes to `completed`: a key has a record in one of the two, and never in both after the lock is released.
    open: Sharded<Shard>,
    completed: Cache<Key, Arc<CompletedRecord>, Prehashed>,
    limits: Option<Arc<Mutex<Limits>>>,
}

/// One shard.
type Shard = HashMap<Key, Record, Prehashed>;

struct CompletedRecord {
    record: Record,
    /// Rises with each write; 0 without limits.
    sequence: u64,
}

impl MokaStore {
    /// An empty store on the host's clock, without limits.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// An empty store on a clock of yours, for tests; see [`MokaStoreBuilder::clock`].
    #[must_use]
    pub fn with_clock(clock: impl Clock) -> Self {
        Self::builder().clock(clock).build()
    }

    /// A store with settings of its own.
    #[must_use]
    pub fn builder() -> MokaStoreBuilder {
        MokaStoreBuilder::default()
    }

    /// How many completed operations the store forgot before they expired, to make room ([`WhenFull::ForgetOldest`]).
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.limits().map_or(0, |limits| limits.forgotten)
    }

    fn limits(&self) -> Option<MutexGuard<'_, Limits>> {
        self.inner.limits.as_deref().map(lock)
    }

    /// Applies a verb. If the record does not fit, makes room and tries once more.
    fn apply<V: Verb + Clone>(&self, key: &Key, verb: V) -> Result<V::Answer, FullError> {
        let first = self.try_apply(key, verb.clone()).or_else(|added| {
            self.make_room(added);
            self.try_apply(key, verb)
        });
        first.map_err(|_| {
            let (records, bytes) = self.limits().map_or((0, 0), |limits| (limits.records, limits.bytes));
            FullError { records, bytes }
        })
    }

    fn try_apply<V: Verb>(&self, key: &Key, verb: V) -> Result<V::Answer, Exceeded> {
        let Inner { clock, open, completed, .. } = &*self.inner;
        let mut open = open.lock(key);
        let now = clock.now();
        let is_open = open.contains_key(key);
        let done = if is_open { None } else { completed.get(key) };
        let found = open.get(key).or(done.as_ref().map(|done| &done.record));
        let (change, answer) = transition(found, verb, now);
        let Change::Write(record) = change else {
            return Ok(answer);
        };
        let sequence = self.limits().map_or(Ok(0), |mut limits| limits.add(key, found, &record))?;
        if is_completed(&record) {
            completed.insert(key.clone(), Arc::new(CompletedRecord { record, sequence }));
            self.count_removed(key, open.remove(key));
            return Ok(answer);
        }
        if open.len() == open.capacity() {
            self.take(&mut open, usize::MAX, |record| record.is_expired(now));
            // The next purge waits until the map has doubled, so that the cost of each write stays constant.
            let room = open.len() + 8;
            open.reserve(room);
        }
        self.count_removed(key, open.insert(key.clone(), record));
        // Before the lock is released; otherwise `peek` would replay a result that an operator has undone.
        if done.is_some() {
            completed.invalidate(key);
        }
        Ok(answer)
    }

    /// Counts a record that left `open`. moka's listener counts completed ones, because moka removes expired ones itself.
    fn count_removed(&self, key: &Key, record: Option<Record>) {
        if let Some((mut limits, record)) = self.limits().zip(record) {
            limits.remove(key, &record, 0);
        }
    }
}

#[async_trait]
impl Store for MokaStore {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        self.apply(key, claim).map_err(StoreError::not_applied)
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        self.apply(key, Renew::new(owner)).map_err(StoreError::not_applied)
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        // Refused for good: the owner then records the completion without its result.
        self.apply(key, finish).map_err(StoreError::refused)
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let Inner { clock, open, completed, .. } = &*self.inner;
        let open = open.lock(key);
        let record = open.get(key).cloned().or_else(|| completed.get(key).map(|done| done.record.clone()));
        Ok(record.filter(|record| !record.is_expired(clock.now())))
    }

    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        self.apply(key, save).map_err(StoreError::refused)
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        self.apply(key, settle.clone()).map_err(StoreError::not_applied)
    }

    /// In the order of the keys' bytes. Each page reads every record and blocks every verb meanwhile.
    async fn list(&self, list: &List) -> Result<Page, StoreError> {
        Ok(self.page(list))
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        Ok(self.purge(limit))
    }

    fn peek(&self, key: &Key) -> Option<Completed> {
        // Without the shard's lock. A writer adds and removes the record of a key at one moment, so `peek` sees it before or
        // after the write.
        self.inner.completed.get(key)?.record.completed(self.inner.clock.now())
    }
}

impl Default for MokaStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MokaStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MokaStore").field("clock", &self.inner.clock).finish_non_exhaustive()
    }
}

fn lock(limits: &Mutex<Limits>) -> MutexGuard<'_, Limits> {
    limits.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
