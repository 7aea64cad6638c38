//! Settings of a `MokaStore`.

use std::sync::{Arc, Mutex};

use moka::sync::Cache;

use super::expiry::ByRecord;
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
