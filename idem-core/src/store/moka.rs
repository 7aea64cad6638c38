//! Records in this process's memory.

mod builder;
mod limits;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use moka::sync::Cache;

pub use self::builder::MokaStoreBuilder;
use self::limits::{Exceeded, Limits};
pub use self::limits::{FullError, WhenFull};
use super::{Cursor, List, Listed, Page, Store};
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
/// The records are in a [moka](::moka) cache without a capacity, so no record is evicted before it expires. Given a limit
/// ([`builder`](Self::builder)), the store refuses new keys when it is full. A clone is the same store.
#[derive(Clone)]
pub struct MokaStore {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    records: Cache<Key, Arc<Stored>, Prehashed>,
    /// The lock of a key's shard is held while the key's record is read and replaced. A reader needs no lock.
    locks: Sharded<()>,
    limits: Option<Arc<Mutex<Limits>>>,
}

struct Stored {
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

    /// Not held while moka writes or deletes, because moka's listener takes it.
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
        let Inner { clock, records, locks, .. } = &*self.inner;
        let _lock = locks.lock(key);
        let stored = records.get(key);
        let stored = stored.as_deref().map(|stored| &stored.record);
        let (change, answer) = transition(stored, verb, clock.now());
        if let Change::Write(record) = change {
            let sequence = self.limits().map_or(Ok(0), |mut limits| limits.add(key, stored, &record))?;
            records.insert(key.clone(), Arc::new(Stored { record, sequence }));
        }
        Ok(answer)
    }

    fn make_room(&self, added: Exceeded) {
        let now = self.inner.clock.now();
        // A refused result is lost for good, so every owner that finishes may scan.
        if added.0 == 0 || self.limits().is_some_and(|mut limits| limits.may_scan(now)) {
            // A blank record holds only a fence, and a new fence is above it while the clock rises.
            self.remove_all(usize::MAX, |record| record.is_expired(now) || record.is_blank());
            self.inner.records.run_pending_tasks();
        }
        let oldest = || self.limits()?.pop_oldest(added);
        while let Some((sequence, key)) = oldest() {
            let is_removed = self.remove(&key, |stored| stored.sequence == sequence);
            self.limits().into_iter().for_each(|mut limits| limits.forgotten += u64::from(is_removed));
        }
    }

    /// Removes up to `limit` records that match, and returns how many it removed.
    fn remove_all(&self, limit: usize, matches: impl Fn(&Record) -> bool) -> usize {
        let found = self.inner.records.iter().filter(|(_, stored)| matches(&stored.record));
        found.filter(|(key, _)| self.remove(key, |stored| matches(&stored.record))).take(limit).count()
    }

    /// Removes the record of a key if it matches: another call may have replaced it.
    fn remove(&self, key: &Key, matches: impl Fn(&Stored) -> bool) -> bool {
        let _lock = self.inner.locks.lock(key);
        let is_found = self.inner.records.get(key).is_some_and(|stored| matches(&stored));
        if is_found {
            self.inner.records.invalidate(key);
        }
        is_found
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
        let stored = self.inner.records.get(key).map(|stored| stored.record.clone());
        Ok(stored.filter(|record| !record.is_expired(self.inner.clock.now())))
    }

    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        self.apply(key, save).map_err(StoreError::refused)
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        self.apply(key, settle.clone()).map_err(StoreError::not_applied)
    }

    /// In the order of the keys' bytes. Each page reads every record.
    async fn list(&self, list: &List) -> Result<Page, StoreError> {
        let now = self.inner.clock.now();
        let is_wanted = |key: &[u8], record: &Record| {
            let is_after = list.after.as_ref().is_none_or(|after| key > after.as_bytes());
            is_after && key.starts_with(&list.prefix) && !record.is_expired(now) && !record.is_blank()
        };
        let stored = self.inner.records.iter();
        let mut listed: Vec<_> = stored.filter(|(key, stored)| is_wanted(key.as_bytes(), &stored.record)).collect();
        listed.sort_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
        let has_more = listed.len() > list.limit;
        listed.truncate(list.limit);
        let next = listed.last().filter(|_| has_more).map(|(key, _)| Cursor::from_bytes(key.as_bytes()));
        let listed = listed.into_iter().map(|(key, stored)| Listed::new((*key).clone(), Ok(stored.record.clone())));
        Ok(Page::new(listed.collect(), next))
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let now = self.inner.clock.now();
        Ok(self.remove_all(limit, |record| record.is_expired(now)))
    }

    fn peek(&self, key: &Key) -> Option<Completed> {
        self.inner.records.get(key)?.record.completed(self.inner.clock.now())
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
