//! A clock for a process that a test starts itself.

use std::fmt;

use crate::clock;
use crate::watchdog::{Quit, Watchdog};

/// A time of day that a process takes for its host's. It stands still; how long things take is not touched. Dropping it removes
/// its files, which processes that run already no longer need.
pub struct Clock(Watchdog);

impl Clock {
    /// One that shows so many microseconds since 1970.
    ///
    /// # Panics
    ///
    /// Without a C compiler.
    pub fn at(micros: u64) -> Self {
        let watchdog = Watchdog::new(None, Quit::Kill);
        clock::make(watchdog.dir(), micros);
        Self(watchdog)
    }

    /// Sets it, also for processes that run already.
    pub fn set(&self, micros: u64) {
        clock::set(self.0.dir(), micros);
    }

    /// What a process is to find in its environment.
    pub fn env(&self) -> [(String, String); 2] {
        clock::env(self.0.dir())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.0.dir()).finish()
    }
}
