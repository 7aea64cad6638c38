//! What an outcome is recorded as.

use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::replay::Replay;
use crate::codec::Codec;
use crate::transition::Ending;

/// How results of one function are recorded and brought back.
pub struct Rules<T, E> {
    pub(crate) replay: Replay<T>,
    /// Which values count as success. All, if it is not said.
    pub(crate) record_if: Option<fn(&T) -> bool>,
    /// Which errors leave it open whether the effect happened. None, if it is not said.
    pub(crate) unknown_err: Option<fn(&E) -> bool>,
}

impl<T, E> Rules<T, E> {
    pub(crate) const fn new(replay: Replay<T>) -> Self {
        Self { replay, record_if: None, unknown_err: None }
    }

    /// How a body ended that came to `outcome`. Code of the user's that panics here says the safer thing: that a value is a
    /// success, and that an error leaves it open.
    pub(super) fn ending(&self, outcome: &Result<T, E>, codec: Codec) -> Ending {
        match outcome {
            Ok(value) if self.record_if.is_some_and(|record_if| !says(record_if, value)) => Ending::Released,
            Ok(value) => Ending::Completed(self.replay.record(value, codec)),
            Err(error) if self.unknown_err.is_some_and(|unknown_err| says(unknown_err, error)) => Ending::Abandoned,
            Err(_) => Ending::Released,
        }
    }
}

fn says<T>(rule: fn(&T) -> bool, of: &T) -> bool {
    catch_unwind(AssertUnwindSafe(|| rule(of))).unwrap_or(true)
}

impl<T, E> Clone for Rules<T, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, E> Copy for Rules<T, E> {}

impl<T, E> fmt::Debug for Rules<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rules")
    }
}
