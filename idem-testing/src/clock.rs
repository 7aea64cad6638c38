//! A clock to turn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use idem_core::Timestamp;
use tokio::time::Instant;

/// A store's clock that follows tokio's, also while that is paused, and can be stepped apart from it. A clone is the same
/// clock.
///
/// Step it past a lease or a TTL to see what comes after; set it back to see that nothing breaks.
#[derive(Debug, Clone)]
pub struct Clock {
    start: Instant,
    stepped: Arc<AtomicU64>,
    set_back: Arc<AtomicU64>,
}

/// What the clock shows when it is made, in microseconds since the epoch: a day in November 2023.
const START: u64 = 1_700_000_000_000_000;

impl Clock {
    /// A clock that has not been turned yet.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now(), stepped: Arc::default(), set_back: Arc::default() }
    }

    /// Turns it forward.
    pub fn step(&self, by: Duration) {
        self.stepped.fetch_add(micros(by), Ordering::SeqCst);
    }

    /// Turns it back.
    pub fn set_back(&self, by: Duration) {
        self.set_back.fetch_add(micros(by), Ordering::SeqCst);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl idem_core::Clock for Clock {
    fn now(&self) -> Timestamp {
        let forward = Duration::from_micros(self.stepped.load(Ordering::SeqCst));
        let start = START.saturating_sub(self.set_back.load(Ordering::SeqCst));
        Timestamp::from_micros(start).after(self.start.elapsed().saturating_add(forward))
    }
}
