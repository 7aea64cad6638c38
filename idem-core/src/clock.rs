//! Two kinds of time: what a store writes into records, and what a process waits by.

pub(crate) mod timer;

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use timer::sleep_until;
/// The process's own time, for deadlines that never leave it. Under tokio's paused clock it is paused too.
pub(crate) use tokio::time::Instant;

/// The moment `by` after `from`, or in about thirty years when that is too far away to count.
pub(crate) fn later(from: Instant, by: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    from.checked_add(by.min(FAR)).unwrap_or(from)
}

/// A moment on a store's clock, in microseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment `micros` microseconds after the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The moment `by` later; the end of time when that is too far away to count.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How long it is from `earlier` to this moment; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}us", self.0)
    }
}

/// Where an in-process store takes the time from.
///
/// It may step in either direction: a step can end or stretch a lease, and does no other harm.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The host's time of day when it was made, carried on by the host's monotonic clock, so it never steps. It is for a store
/// of one process: two processes with one each disagree for as long as they live if the host's clock was set between
/// their starts.
///
/// Inside a tokio runtime whose clock is paused (`start_paused = true`) it stands still and advances with that clock:
/// a test can let a lease or a TTL run out without waiting for it.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    wall: Timestamp,
    anchor: Instant,
}

impl SystemClock {
    /// A clock that starts from the host's time of day.
    #[must_use]
    pub fn new() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { wall: Timestamp(0).after(wall), anchor: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.wall.after(self.anchor.elapsed())
    }
}
