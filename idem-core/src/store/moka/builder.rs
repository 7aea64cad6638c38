//! Settings of a `MokaStore`, and how long its moka keeps a record.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use moka::sync::Cache;
use moka::Expiry;

use super::limits::{Limits, WhenFull};
use super::{lock, Inner, MokaStore, Stored};
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
    /// The store then frees the memory of an expired record only when its key is used again, when the store is full, or when
    /// it is [swept](crate::Idem::sweep): moka counts real time, and your clock may be slower.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Builds an empty store.
    #[must_use]
    pub fn build(self) -> MokaStore {
        self.keeping_expired(Duration::from_secs(10))
    }

    /// Builds a store whose moka deletes a record `grace` after it has expired.
    pub(super) fn keeping_expired(self, grace: Duration) -> MokaStore {
        let is_limited = self.limits.max_records.or(self.limits.max_bytes).is_some();
        let limits = is_limited.then(|| Arc::new(Mutex::new(self.limits)));
        let mut records = Cache::<Key, Arc<Stored>, _>::builder();
        if let Some(limits) = limits.clone() {
            records = records.eviction_listener(move |key, stored, _| lock(&limits).remove(&key, &stored));
        }
        let has_own_clock = self.clock.is_some();
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        if !has_own_clock {
            records = records.expire_after(AfterRecord { clock: Arc::clone(&clock), grace });
        }
        let records = records.build_with_hasher(Prehashed::default());
        MokaStore { inner: Arc::new(Inner { clock, records, locks: Sharded::default(), limits }) }
    }
}

/// Makes moka delete a record after the record has expired.
///
/// The store's clock decides whether a record has expired. moka's clock is another one, which runs even while tokio's is
/// paused: without the grace moka would delete records that have not expired by the store's clock.
struct AfterRecord {
    clock: Arc<dyn Clock>,
    grace: Duration,
}

impl Expiry<Key, Arc<Stored>> for AfterRecord {
    fn expire_after_create(&self, _: &Key, stored: &Arc<Stored>, _: Instant) -> Option<Duration> {
        Some(stored.record.expires_at.since(self.clock.now()).saturating_add(self.grace))
    }

    /// Without this a record that replaces another would keep the other's expiry.
    fn expire_after_update(
        &self,
        key: &Key,
        stored: &Arc<Stored>,
        at: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, stored, at)
    }
}
