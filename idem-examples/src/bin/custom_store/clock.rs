//! The time that processes share.

use std::time::{SystemTime, UNIX_EPOCH};

use idem::{Clock, Timestamp};

/// The host's time of day, asked anew each time.
///
/// `SystemClock` asks once and goes on by itself. Two processes with one each would disagree for as long as they live if
/// the host's clock was set between their starts, and find each other's leases over.
#[derive(Debug)]
pub(crate) struct TimeOfDay;

impl Clock for TimeOfDay {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0).after(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}
