//! When moka may delete a completed record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;

use super::CompletedRecord;
use crate::clock::Clock;
use crate::key::Key;

/// Makes moka delete a record some time after the record's own expiry.
///
/// The store's clock decides at each read whether a record has expired. moka's clock is another one, and it runs even while
/// tokio's is paused, so moka may only ever be later.
pub(super) struct ByRecord(pub(super) Arc<dyn Clock>);

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
