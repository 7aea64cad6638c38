//! Records in this process's memory.

mod limits;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use moka::sync::Cache;

pub use self::limits::{FullError, WhenFull};
use self::limits::{Limits, Size};
use super::{Cursor, List, Listed, Page, Store};
use crate::clock::{Clock, SystemClock, Timestamp};
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
    records: Cache<Arc<Key>, Arc<Stored>, Prehashed>,
    /// The shard of a key is locked while the key's record is read and replaced. A reader needs no lock.
    expiries: Sharded<Expiries>,
    limits: Option<Mutex<Limits>>,
    /// Held while a call makes room. Of two at a time, one could find no record to forget because the other forgets them.
    making_room: Mutex<()>,
}

/// The keys of a shard, ordered by when their records expire: one entry for each record. moka's own expiry is not used,
/// because it counts real time and this store counts the time of its clock.
type Expiries = BTreeSet<(Timestamp, Arc<Key>)>;

struct Stored {
    key: Arc<Key>,
    record: Record,
    /// Rises with each write; 0 without limits.
    sequence: u64,
}

impl Stored {
    fn expiry(&self) -> (Timestamp, Arc<Key>) {
        (self.record.expires_at, Arc::clone(&self.key))
    }
}

impl MokaStore {
    /// Makes an empty store with the host's clock, without limits.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts a store with other settings.
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
        self.inner.limits.as_ref().map(|limits| limits.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Applies a verb. While the record does not fit, makes room and tries again: another call may take the room first.
    fn apply<V: Verb + Clone>(&self, key: &Key, verb: V) -> Result<V::Answer, FullError> {
        let mut applied = self.try_apply(key, verb.clone());
        while applied.as_ref().is_err_and(|added| self.make_room(key, *added)) {
            applied = self.try_apply(key, verb.clone());
        }
        applied.map_err(|_| {
            let (records, bytes) = self.limits().map_or((0, 0), |limits| limits.used);
            FullError { records, bytes }
        })
    }

    fn try_apply<V: Verb>(&self, key: &Key, verb: V) -> Result<V::Answer, Size> {
        let mut expiries = self.inner.expiries.lock(key);
        let (stored, now) = (self.inner.records.get(key), self.inner.clock.now());
        let (change, answer) = transition(stored.as_deref().map(|stored| &stored.record), verb, now);
        if let Change::Write(record) = change {
            let sequence = self.limits().map_or(Ok(0), |mut limits| limits.replace(key, stored.as_deref(), &record))?;
            let key = stored.map_or_else(
                || Arc::new(key.clone()),
                |stored| {
                    expiries.remove(&stored.expiry());
                    Arc::clone(&stored.key)
                },
            );
            let stored = Stored { key: Arc::clone(&key), record, sequence };
            expiries.insert(stored.expiry());
            self.inner.records.insert(key, Arc::new(stored));
            // A write adds at most one record and removes up to two, so expired records do not accumulate.
            self.remove_expired(&mut expiries, now, 2);
        }
        Ok(answer)
    }

    /// Returns whether there was room at the end. Another call may have taken it since. The record of `key` itself stays.
    fn make_room(&self, key: &Key, added: Size) -> bool {
        let _making_room = self.inner.making_room.lock().unwrap_or_else(PoisonError::into_inner);
        self.sweep_all(usize::MAX);
        let oldest = || self.limits()?.pop_oldest(key, added);
        while self.limits().is_some_and(|limits| !limits.fits(limits.used, added)) {
            let Some((sequence, key)) = oldest() else { return false };
            let mut expiries = self.inner.expiries.lock(&key);
            // Another call may have replaced the record meanwhile.
            if let Some(stored) = self.inner.records.get(&key).filter(|stored| stored.sequence == sequence) {
                self.remove(&mut expiries, &stored.expiry());
                self.limits().into_iter().for_each(|mut limits| limits.forgotten += 1);
            }
        }
        true
    }

    fn sweep_all(&self, limit: usize) -> usize {
        let now = self.inner.clock.now();
        let shards = self.inner.expiries.each();
        shards.fold(0, |removed, mut expiries| removed + self.remove_expired(&mut expiries, now, limit - removed))
    }

    /// Removes up to `limit` expired records of a shard, and returns how many it removed.
    fn remove_expired(&self, expiries: &mut Expiries, now: Timestamp, limit: usize) -> usize {
        let mut removed = 0;
        while let Some(expiry) = expiries.first().filter(|expiry| removed < limit && expiry.0 <= now).cloned() {
            self.remove(expiries, &expiry);
            removed += 1;
        }
        removed
    }

    fn remove(&self, expiries: &mut Expiries, expiry: &(Timestamp, Arc<Key>)) {
        expiries.remove(expiry);
        let removed = self.inner.records.remove(&expiry.1).zip(self.limits());
        removed.into_iter().for_each(|(stored, mut limits)| limits.remove(&stored.key, &stored));
    }
}

/// Builds a [`MokaStore`] with other settings than [`MokaStore::new`].
#[derive(Debug, Default)]
pub struct MokaStoreBuilder {
    clock: Option<Arc<dyn Clock>>,
    limits: Limits,
}

impl MokaStoreBuilder {
    /// Sets about how many records the store holds at most. Records that an operator forgot do not count. Default: no limit.
    #[must_use]
    pub const fn max_records(mut self, records: u64) -> Self {
        self.limits.max_records = Some(records);
        self
    }

    /// Sets about how many bytes the records take at most: for each record those of its key, its steps and its result, and 512
    /// more. Default: no limit.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.limits.max_bytes = Some(bytes);
        self
    }

    /// Sets what the store does at a limit. Default: [`WhenFull::Refuse`].
    #[must_use]
    pub const fn when_full(mut self, when_full: WhenFull) -> Self {
        self.limits.when_full = when_full;
        self
    }

    /// Sets the store's clock, for tests. Default: a [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Builds an empty store.
    #[must_use]
    pub fn build(self) -> MokaStore {
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let records = Cache::builder().build_with_hasher(Prehashed::default());
        let limits = self.limits.max_records.or(self.limits.max_bytes).map(|_| Mutex::new(self.limits));
        let (expiries, making_room) = (Sharded::default(), Mutex::default());
        MokaStore { inner: Arc::new(Inner { clock, records, expiries, limits, making_room }) }
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
        listed.sort_by(|(one, _), (other, _)| one.cmp(other));
        let has_more = listed.len() > list.limit;
        listed.truncate(list.limit);
        let next = listed.last().filter(|_| has_more).map(|(key, _)| Cursor::from_bytes(key.as_bytes()));
        let listed = listed.into_iter().map(|(key, stored)| Listed::new((**key).clone(), Ok(stored.record.clone())));
        Ok(Page::new(listed.collect(), next))
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        Ok(self.sweep_all(limit))
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

#[cfg(test)]
mod tests;
