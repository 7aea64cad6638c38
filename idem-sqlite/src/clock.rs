//! The host's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use idem_core::{Clock, Timestamp};

/// The host's time of day, which all processes of a machine share. It is read on each call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since_epoch: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(0).after(since_epoch)
    }
}
