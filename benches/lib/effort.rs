//! How long a run may take.

use std::fmt;
use std::time::Duration;

/// `IDEM_BENCH`: `quick`, the default, is a few minutes for all tables, `full` half an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// A few minutes.
    Quick,
    /// Half an hour.
    Full,
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pick("quick", "full"))
    }
}

impl Effort {
    /// As the environment says.
    pub fn of_environment() -> Self {
        match std::env::var("IDEM_BENCH").as_deref() {
            Err(_) | Ok("quick") => Self::Quick,
            Ok("full") => Self::Full,
            Ok(other) => panic!("IDEM_BENCH is quick or full, not {other}"),
        }
    }

    /// One or the other.
    pub fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }

    /// How many rounds.
    pub fn rounds(self) -> usize {
        self.pick(21, 41)
    }

    /// How long each contender runs in a round.
    pub fn slice(self) -> Duration {
        Duration::from_millis(self.pick(20, 60))
    }
}
