//! Time in ticks: few enough to explore, and long enough for the fences that are given within one.

use std::time::Duration;

use idem_core::Timestamp;

/// Microseconds in a tick. Fences are at least the time in microseconds, and rise by one within a tick.
const TICK: u64 = 1000;

/// The tick that a world begins at: the clock can be set back from it.
pub(crate) const BEGIN: u32 = 100;

/// A moment on the store's clock, when it is so many ticks ahead.
pub(crate) fn at(tick: u32, ahead: i64) -> Timestamp {
    Timestamp::from_micros((i64::from(tick) + ahead).unsigned_abs() * TICK)
}

/// A time of so many ticks.
pub(crate) const fn ticks(count: u8) -> Duration {
    Duration::from_micros(count as u64 * TICK)
}
