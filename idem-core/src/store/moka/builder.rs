//! Settings of a `MokaStore`.

use std::sync::{Arc, Mutex};

use moka::sync::Cache;

use super::limits::{Limits, WhenFull};
use super::{Inner, MokaStore};
use crate::clock::{Clock, SystemClock};
use crate::key::{Prehashed, Sharded};

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

    /// A clock of yours, for tests. Default: a [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Builds an empty store.
    #[must_use]
    pub fn build(self) -> MokaStore {
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        // Without a capacity, so that moka never evicts a record.
        let records = Cache::builder().build_with_hasher(Prehashed::default());
        let is_limited = self.limits.max_records.or(self.limits.max_bytes).is_some();
        let limits = is_limited.then(|| Mutex::new(self.limits));
        MokaStore { inner: Arc::new(Inner { clock, records, expiries: Sharded::default(), limits }) }
    }
}
