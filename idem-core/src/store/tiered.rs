//! A memory in front of a store, for replays.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::sync::Cache;

use super::{List, Page, Store};
use crate::clock::{later, Instant};
use crate::error::StoreError;
use crate::key::{Key, Prehashed};
use crate::record::{Completed, Completion, Owner, Record};
use crate::transition::{Claim, Claimed, Finish, Ownership, SaveStep, Settle, Settled};

/// A store with a memory in front of it: a result that this process has replayed once is replayed from memory.
///
/// It keeps only completed operations, for up to one minute and never beyond their TTL. Other processes may serve the old
/// result for up to one minute after an operator resolves, retries or forgets a record; this process does not. All other
/// verbs go to the inner store.
///
/// ```
/// use idem_core::{Idem, MokaStore, Tiered};
///
/// // In a service: a store that is shared by processes.
/// let idem = Idem::new(Tiered::new(MokaStore::new()).capacity(16 * 1024 * 1024));
/// # drop(idem);
/// ```
#[derive(Clone)]
pub struct Tiered<S> {
    store: S,
    memory: Cache<Key, Remembered, Prehashed>,
    max_age: Duration,
    /// Rises before and after each `settle`. The answer to a claim that was under way meanwhile is not kept, because the store
    /// may have given it before the `settle`. Test: `a_replay_whose_claim_was_out_during_a_resolve_is_not_remembered`.
    settled: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Remembered {
    completed: Completed,
    until: Instant,
}

const MAX_AGE: Duration = Duration::from_secs(60);
const CAPACITY: u64 = 64 * 1024 * 1024;

impl<S: Store> Tiered<S> {
    /// Puts a memory in front of `store`: 64 MiB, one minute.
    pub fn new(store: S) -> Self {
        Self::build(store, MAX_AGE, CAPACITY)
    }

    /// Sets how long a result is kept at most. More than one minute counts as one minute. Default: one minute.
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        let capacity = self.memory.policy().max_capacity().unwrap_or(CAPACITY);
        Self::build(self.store, max_age.min(MAX_AGE), capacity)
    }

    /// Sets about how many bytes of keys and results are kept at most. Default: 64 MiB.
    #[must_use]
    pub fn capacity(self, bytes: u64) -> Self {
        Self::build(self.store, self.max_age, bytes)
    }

    fn build(store: S, max_age: Duration, capacity: u64) -> Self {
        let memory = Cache::builder()
            .weigher(|key: &Key, remembered: &Remembered| {
                let result = match &remembered.completed.completion {
                    Completion::Result(payload) => payload.as_bytes().len(),
                    Completion::Unreplayable => 0,
                };
                u32::try_from(key.as_bytes().len() + result).unwrap_or(u32::MAX)
            })
            .max_capacity(capacity)
            // Only frees memory. `peek` decides by this process's clock whether a result is still valid.
            .time_to_live(max_age)
            .build_with_hasher(Prehashed::default());
        Self { store, memory, max_age, settled: Arc::default() }
    }

    fn remember(&self, key: &Key, completed: &Completed, asked: Instant) {
        let until = later(asked, completed.ttl_left.min(self.max_age));
        self.memory.insert(key.clone(), Remembered { completed: completed.clone(), until });
    }
}

/// Removes a key from the memory when it is dropped.
struct Forget<'a, S>(&'a Tiered<S>, &'a Key);

impl<S> Drop for Forget<'_, S> {
    fn drop(&mut self) {
        self.0.settled.fetch_add(1, Ordering::SeqCst);
        self.0.memory.invalidate(self.1);
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: Store> Store for Tiered<S> {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        let (asked, settled) = (Instant::now(), self.settled.load(Ordering::SeqCst));
        let answer = self.store.claim(key, claim).await;
        if let Ok(Claimed::Completed(completed)) = &answer {
            self.remember(key, completed, asked);
        }
        if self.settled.load(Ordering::SeqCst) != settled {
            self.memory.invalidate(key);
        }
        answer
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        self.store.renew(key, owner).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        self.store.finish(key, finish).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.store.load(key).await
    }

    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        self.store.save_step(key, save).await
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        self.settled.fetch_add(1, Ordering::SeqCst);
        // On drop, so even if the store fails or this future is dropped, because the store may have applied the request. Test:
        // `a_resolve_that_may_have_been_applied_ends_what_is_remembered`.
        let _forget = Forget(self, key);
        self.store.settle(key, settle).await
    }

    async fn list(&self, list: &List) -> Result<Page, StoreError> {
        self.store.list(list).await
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.store.sweep(limit).await
    }

    fn peek(&self, key: &Key) -> Option<Completed> {
        let now = Instant::now();
        match self.memory.get(key).filter(|remembered| now < remembered.until) {
            Some(Remembered { completed, until }) => {
                Some(Completed { ttl_left: until.saturating_duration_since(now), ..completed })
            }
            None => self.store.peek(key),
        }
    }

    async fn changed(&self, key: &Key) {
        self.store.changed(key).await;
    }
}

impl<S: fmt::Debug> fmt::Debug for Tiered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiered").field("store", &self.store).field("max_age", &self.max_age).finish_non_exhaustive()
    }
}
