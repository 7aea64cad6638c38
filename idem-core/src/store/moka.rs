//! Records in this process's memory.

mod builder;
mod done;
mod expiry;
mod limits;
mod look;
mod open;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use moka::sync::Cache;

pub use self::builder::MokaStoreBuilder;
use self::done::{Done, Name};
pub use self::limits::{Full, WhenFull};
use self::limits::{Limits, NoRoom};
use self::open::Open;
use super::{List, Page, Store};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::key::{Key, Prehashed, Sharded};
use crate::record::{Completed, Owner, Record, State};
use crate::transition::{
    transition, Change, Claim, Claimed, Finish, Ownership, Renew, SaveStep, Settle, Settled, Verb,
};

/// Records in this process's memory: for one process, for tests, and for operations that need no more.
///
/// **Nothing survives the process, and no other process sees it.** Two replicas of a service with a `MokaStore` each will
/// both charge the customer.
///
/// Claims live in a sharded map, done operations in a [moka](::moka) cache without a capacity, so nothing unexpired is
/// ever evicted. Given a limit ([`builder`](Self::builder)), the store refuses new keys when it is full. A clone is the same
/// store.
#[derive(Clone)]
pub struct MokaStore {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    /// What is not done: running, failed and unknown records; and what is. Its lock makes the verbs on a key atomic.
    open: Sharded<Open>,
    /// What is done, for as long as it is kept. A record that is open for the same key goes before it. What is asked for one
    /// key is asked of `open`, which knows where these records lie.
    done: Cache<Name, Arc<Done>, Prehashed>,
    limits: Option<Arc<Limits>>,
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

    /// How many done operations were forgotten before their time, for want of room ([`WhenFull::ForgetOldest`]).
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.inner.limits.as_ref().map_or(0, |limits| limits.forgotten())
    }

    /// Applies a verb; where there is no room for what it writes, once more after making some.
    fn apply<V: Verb + Clone>(&self, key: &Key, verb: V) -> Result<V::Answer, Full> {
        match self.try_apply(key, verb.clone()) {
            Err(no_room) => {
                self.make_room(&no_room);
                self.try_apply(key, verb).map_err(|no_room| no_room.full)
            }
            Ok(answer) => Ok(answer),
        }
    }

    fn try_apply<V: Verb>(&self, key: &Key, verb: V) -> Result<V::Answer, NoRoom> {
        let Inner { clock, open, done, .. } = &*self.inner;
        let mut open = open.lock(key);
        let now = clock.now();
        let was_done = match open.get(key) {
            Some(_) => None,
            None => open.done.get(key),
        };
        let found = open.get(key).or(was_done.as_ref().map(|done| &done.record));
        let (change, answer) = transition(found, verb, now);
        let Change::Write(record) = change else {
            return Ok(answer);
        };
        if let Some(limits) = &self.inner.limits {
            limits.check(key, found, &record)?;
            limits.came(key, &record);
            // What leaves the cache says so itself.
            if let Some(before) = open.get(key) {
                limits.left(key, before);
            }
        }
        if matches!(record.state, State::Completed(_)) {
            let record = Done::new(key, record);
            open.remove(key);
            open.done.insert(&record);
            done.insert(Name(Arc::clone(&record.key)), record);
            if let Some(limits) = &self.inner.limits {
                limits.tidy(|key, fence| self.is_done(key, fence));
            }
        } else {
            let swept = open.insert(key, record, now);
            if let Some(limits) = &self.inner.limits {
                swept.iter().for_each(|(key, record)| limits.left(key, record));
            }
            // Whoever peeks asks only for what is done.
            if was_done.is_some() {
                open.done.remove(key);
                done.invalidate(key);
            }
        }
        Ok(answer)
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
        // The owner does well to record that it is done, without the result that there is no room for.
        self.apply(key, finish).map_err(StoreError::refused)
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let Inner { clock, open, .. } = &*self.inner;
        let open = open.lock(key);
        let record = open.get(key).cloned().or_else(|| open.done.get(key).map(|done| done.record.clone()));
        Ok(record.filter(|record| !record.is_expired(clock.now())))
    }

    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        self.apply(key, save).map_err(StoreError::refused)
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        self.apply(key, settle.clone()).map_err(StoreError::not_applied)
    }

    /// In the order of the keys' bytes. Each page looks at every record, and holds up every verb meanwhile.
    async fn list(&self, list: &List) -> Result<Page, StoreError> {
        Ok(self.page(list))
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        Ok(self.take_back(limit))
    }

    fn peek(&self, key: &Key) -> Option<Completed> {
        let Inner { clock, open, done, .. } = &*self.inner;
        // Where the lock is taken, moka needs none.
        let done = match open.try_lock(key) {
            Some(open) => open.done.get(key),
            None => done.get(key),
        };
        done?.record.completed(clock.now())
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
