//! Records in this process's memory.

mod expiry;
mod look;
mod open;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use moka::sync::Cache;

use self::expiry::ByRecord;
use self::open::Open;
use super::{List, Page, Store};
use crate::clock::{Clock, SystemClock};
use crate::error::StoreError;
use crate::key::{Key, Prehashed, Sharded};
use crate::record::{Completed, Owner, Phase, Record};
use crate::transition::{transition, Change, Claim, Claimed, Ending, Finish, Held, Renew, Settle, Settled, Verb};

/// Records in this process's memory: for one process, for tests, and for operations that need no more.
///
/// **Nothing survives the process, and no other process sees it.** Two replicas of a service with a `MokaStore` each will
/// both charge the customer.
///
/// Claims live in a sharded map, done operations in a [moka](::moka) cache without a capacity, so nothing unexpired is
/// ever evicted. A clone is the same store.
#[derive(Clone)]
pub struct MokaStore {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    /// What is not done: running, released and abandoned records. Its lock makes the verbs on a key atomic.
    open: Sharded<Open>,
    /// What is done. A record that is open for the same key goes before it.
    done: Cache<Key, Arc<Record>, Prehashed>,
}

impl MokaStore {
    /// An empty store on the host's clock.
    #[must_use]
    pub fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let expiry = ByRecord::new(Arc::clone(&clock));
        Self::build(clock, Cache::builder().expire_after(expiry).build_with_hasher(Prehashed::default()))
    }

    /// An empty store on a clock of yours, for tests.
    ///
    /// Memory of expired results is taken back only when their keys are used again: moka counts real time, and your clock
    /// may be slower.
    #[must_use]
    pub fn with_clock(clock: impl Clock) -> Self {
        Self::build(Arc::new(clock), Cache::builder().build_with_hasher(Prehashed::default()))
    }

    fn build(clock: Arc<dyn Clock>, done: Cache<Key, Arc<Record>, Prehashed>) -> Self {
        Self { inner: Arc::new(Inner { clock, open: Sharded::default(), done }) }
    }

    fn apply<V: Verb>(&self, key: &Key, verb: V) -> V::Answer {
        let Inner { clock, open, done } = &*self.inner;
        let mut open = open.lock(key);
        let now = clock.now();
        let was_done = match open.get(key) {
            Some(_) => None,
            None => done.get(key),
        };
        let (change, answer) = transition(open.get(key).or(was_done.as_deref()), verb, now);
        match change {
            Change::Keep => {}
            Change::Write(record) if matches!(record.phase, Phase::Completed(_)) => {
                done.insert(key.clone(), Arc::new(record));
                open.remove(key);
            }
            Change::Write(record) => {
                open.insert(key, record, now);
                // Whoever peeks asks only for what is done.
                if was_done.is_some() {
                    done.invalidate(key);
                }
            }
        }
        answer
    }
}

#[async_trait]
impl Store for MokaStore {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        Ok(self.apply(key, claim))
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Held, StoreError> {
        Ok(self.apply(key, Renew::new(owner)))
    }

    async fn finish(&self, key: &Key, owner: Owner, ending: Ending) -> Result<Held, StoreError> {
        Ok(self.apply(key, Finish::new(owner, ending)))
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let Inner { clock, open, done } = &*self.inner;
        let open = open.lock(key);
        let record = open.get(key).cloned().or_else(|| done.get(key).map(|record| (*record).clone()));
        Ok(record.filter(|record| !record.is_expired(clock.now())))
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        Ok(self.apply(key, settle.clone()))
    }

    /// In the order of the keys' bytes. Each page looks at every record.
    async fn list(&self, list: &List) -> Result<Page, StoreError> {
        Ok(self.page(list))
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        Ok(self.take_back(limit))
    }

    fn peek(&self, key: &Key) -> Option<Completed> {
        self.inner.done.get(key)?.completed(self.inner.clock.now())
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
