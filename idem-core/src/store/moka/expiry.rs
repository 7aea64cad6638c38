//! When moka may take a done operation's memory back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;

use super::done::{Done, Name};
use crate::clock::Clock;
use crate::record::Record;

/// Forgets a record some time after its own expiry.
///
/// Whether a record counts is decided by the store's clock when it is read. moka's clock is another one and goes on while
/// tokio's is paused, so it may only ever be late.
pub(super) struct ByRecord {
    clock: Arc<dyn Clock>,
}

/// How late moka is at most. Never more than the record's own lifetime again, so that short-lived records stay short-lived.
const GRACE: Duration = Duration::from_secs(10);

/// Longer lifetimes are cut to this; moka's arithmetic has an end.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

impl ByRecord {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    fn lifetime(&self, record: &Record) -> Duration {
        let left = record.expires_at.since(self.clock.now()).min(FOREVER);
        left.saturating_add(left.min(GRACE))
    }
}

impl Expiry<Name, Arc<Done>> for ByRecord {
    fn expire_after_create(&self, _: &Name, done: &Arc<Done>, _: Instant) -> Option<Duration> {
        Some(self.lifetime(&done.record))
    }

    fn expire_after_update(&self, _: &Name, done: &Arc<Done>, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(self.lifetime(&done.record))
    }
}
