//! Settings of a `MokaStore`, and how long its moka keeps a record.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use moka::sync::Cache;
use moka::Expiry;

use super::limits::{Limits, WhenFull};
use super::{lock, CompletedRecord, Inner, MokaStore};
use crate::clock::{Clock, SystemClock};
use crate::key::{Key, Prehashed, Sharded};

/// Builds a [`MokaStore`] with settings of its own.
#[derive(Debug, Default)]
pub struct MokaStoreBuilder {
    clock: Option<Arc<dyn Clock>>,
    limits: Limits,
}

impl MokaStoreBuilder {
    /// About how many records the store holds at most. Default: no limit.
    #[must_use]
    pub const fn max_records(mut self, records: u64) -> Self {
        self.limits.max_records = Some(records);
        self
    }

    /// About how many bytes the records have at most: each has those of its key, its steps and its result, and 512 more.
    /// Default: no limit.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.limits.max_bytes = Some(bytes);
        self
    }

    /// What the store does at a limit. Default: [`WhenFull::Refuse`].
    #[must_use]
    pub const fn when_full(mut self, when_full: WhenFull) -> Self {
        self.limits.when_full = when_full;
        self
    }

    /// A clock of yours, for tests.
    ///
    /// The store then frees the memory of an expired result only when its key is used again, when the store is full, or when
    /// it is [swept](crate::Idem::sweep): moka counts real time, and your clock may be slower.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Builds an empty store.
    #[must_use]
    pub fn build(self) -> MokaStore {
        let Limits { max_records, max_bytes, .. } = self.limits;
        let limits = (max_records.or(max_bytes).is_some()).then(|| Arc::new(Mutex::new(self.limits)));
        let mut completed = Cache::<Key, Arc<CompletedRecord>, _>::builder();
        if let Some(limits) = limits.clone() {
            completed = completed
                .eviction_listener(move |key, done, _| lock(&limits).remove(&key, &done.record, done.sequence));
        }
        let clock = match self.clock {
            Some(clock) => clock,
            None => {
                let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
                completed = completed.expire_after(ByRecord(Arc::clone(&clock)));
                clock
            }
        };
        let completed = completed.build_with_hasher(Prehashed::default());
        MokaStore { inner: Arc::new(Inner { clock, open: Sharded::default(), completed, limits }) }
    }
}

/// Makes moka delete a record some time after the record's own expiry.
///
/// The store's clock decides at each read whether a record has expired. moka's clock is another one, and it runs even while
/// tokio's is paused, so moka may only ever be later.
struct ByRecord(Arc<dyn Clock>);

/// How much later moka is at most. Never more than the record's own lifetime, so that short-lived records go soon.
const GRACE: Duration = Duration::from_secs(10);

/// Longer lifetimes are cut to this, because moka's arithmetic would overflow.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

impl Expiry<Key, Arc<CompletedRecord>> for ByRecord {
    fn expire_after_create(&self, _: &Key, done: &Arc<CompletedRecord>, _: Instant) -> Option<Duration> {
        let left = done.record.expires_at.since(self.0.now()).min(LONGEST);
        Some(left.saturating_add(left.min(GRACE)))
    }

    /// Without this a record that replaces another would keep the other's expiry.
    fn expire_after_update(
        &self,
        key: &Key,
        done: &Arc<CompletedRecord>,
        at: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, done, at)
    }
}
