//! Settings of a `MokaStore`.

use std::sync::Arc;

use moka::sync::Cache;

use super::done::{Done, Name};
use super::expiry::ByRecord;
use super::limits::{Limits, WhenFull};
use super::{Inner, MokaStore};
use crate::clock::{Clock, SystemClock};
use crate::key::{Prehashed, Sharded};

/// Builds a [`MokaStore`] with settings of its own.
#[derive(Debug, Default)]
pub struct MokaStoreBuilder {
    clock: Option<Arc<dyn Clock>>,
    max_records: Option<u64>,
    max_bytes: Option<u64>,
    when_full: WhenFull,
}

impl MokaStoreBuilder {
    /// How many records the store holds at most, in about. Default: as many as there is memory for.
    #[must_use]
    pub const fn max_records(mut self, records: u64) -> Self {
        self.max_records = Some(records);
        self
    }

    /// How many bytes the records have at most, in about: each its key's, its result's and 512. Default: as many as there
    /// is memory for.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// What to do at the limit. Default: [`WhenFull::Refuse`].
    #[must_use]
    pub const fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// A clock of yours, for tests.
    ///
    /// Memory of expired results is then taken back only when their keys are used again, the store is full, or
    /// [swept](crate::Idem::sweep): moka counts real time, and your clock may be slower.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// The store, empty.
    #[must_use]
    pub fn build(self) -> MokaStore {
        let Self { clock, max_records, max_bytes, when_full } = self;
        let limited = max_records.is_some() || max_bytes.is_some();
        let limits = limited.then(|| Arc::new(Limits::new(max_records, max_bytes, when_full)));
        let mut done = Cache::<Name, Arc<Done>, _>::builder();
        if let Some(limits) = limits.clone() {
            done = done.eviction_listener(move |_, done, _| limits.left(&done.key, &done.record));
        }
        let clock = match clock {
            Some(clock) => clock,
            None => {
                let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
                done = done.expire_after(ByRecord::new(Arc::clone(&clock)));
                clock
            }
        };
        let done = done.build_with_hasher(Prehashed::default());
        MokaStore { inner: Arc::new(Inner { clock, open: Sharded::default(), done, limits }) }
    }
}
