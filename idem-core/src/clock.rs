//! Two kinds of time: the store's, which records contain, and the process's, for waiting.

use std::fmt;
use std::future::Future;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
/// The process's time, for deadlines inside this process. A paused tokio clock pauses it.
pub(crate) use tokio::time::Instant;
use tokio::time::Sleep;

/// The moment `by` after `from`, but at most thirty years after it, so that nothing overflows.
pub(crate) fn later(from: Instant, by: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    from.checked_add(by.min(FAR)).unwrap_or(from)
}

/// A moment by a store's clock, in microseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Makes the moment that is `micros` microseconds after the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The moment `by` later. If that exceeds the range, the last moment of the range.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
    }

    /// The time from `earlier` to this moment. Zero when `earlier` is later.
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

/// The clock of a store that runs in the service's process.
///
/// It may be set forward or back. That can end or prolong a lease and has no other effect, unless it is set back past the
/// retention of deleted records: then fencing tokens may fall.
///
/// ```
/// use idem_core::{Clock, Timestamp};
///
/// #[derive(Debug)]
/// struct Fixed;
///
/// impl Clock for Fixed {
///     fn now(&self) -> Timestamp {
///         Timestamp::from_micros(1_700_000_000_000_000)
///     }
/// }
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The host's time of day at its creation, advanced by the host's monotonic clock, so that it never jumps.
///
/// It suits a store of one process. Do not use it in a store that several processes share: if the host's clock is set between
/// their starts, their times differ for as long as they run.
///
/// Inside a tokio runtime with a paused clock (`start_paused = true`) it advances with that clock: a test can let a lease or a
/// TTL expire without waiting.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    wall: Timestamp,
    anchor: Instant,
}

impl SystemClock {
    /// Makes a clock that starts from the host's time of day.
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

/// Completes at `deadline`: on tokio's timer inside a tokio runtime that has one, otherwise on `futures-timer`.
///
/// The timer does not use tokio's cooperative budget. Otherwise it would never fire next to a body that is always ready and
/// spends the budget in each poll.
pub(crate) fn sleep_until(deadline: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    match Handle::try_current().ok().and_then(|_| tokio_sleep(deadline)) {
        Some(sleep) => Box::pin(tokio::task::unconstrained(sleep)),
        None => Box::pin(futures_timer::Delay::new(deadline.saturating_duration_since(Instant::now()))),
    }
}

/// Whether this is a tokio runtime that was built without its time driver: a body that needs the driver would panic.
pub(crate) fn timer_is_missing() -> bool {
    // Any moment will do. It is kept, because reading the clock takes time.
    static MOMENT: OnceLock<Instant> = OnceLock::new();
    Handle::try_current().is_ok() && tokio_sleep(*MOMENT.get_or_init(Instant::now)).is_none()
}

/// tokio's timer. `None` when the runtime has no time driver: tokio then panics, and offers no other way to ask.
fn tokio_sleep(deadline: Instant) -> Option<Sleep> {
    catch_unwind(AssertUnwindSafe(|| tokio::time::sleep_until(deadline))).ok()
}
