//! What an outcome is recorded as.

use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::replay::{Form, Replay};
use crate::record::{Payload, PayloadError};
use crate::transition::Ending;

/// A yes or no of the user's.
type Rule<T> = fn(&T) -> bool;

/// How results of one function are recorded and brought back.
pub struct Rules<T, E> {
    pub(crate) replay: Replay<T>,
    /// Which values count as success. All, if it is not said.
    pub(crate) record_if: Option<Rule<T>>,
    /// Which errors are recorded and replayed, and how. None, if it is not said.
    pub(crate) record_err: Option<(Rule<E>, Replay<E>)>,
    /// Which errors leave it open whether the effect happened. None, if it is not said.
    pub(crate) unknown_err: Option<Rule<E>>,
}

impl<T, E> Rules<T, E> {
    pub(crate) const fn new(replay: Replay<T>) -> Self {
        Self { replay, record_if: None, record_err: None, unknown_err: None }
    }

    /// How a body ended that came to `outcome`; `ours` says that the error may be one of this library's, which is never
    /// recorded. Code of the user's that panics here says the safer thing: that a value is a success, that an error leaves it
    /// open, or is final.
    pub(super) fn ending(&self, outcome: &Result<T, E>, ours: bool, form: Form<'_>) -> Ending {
        match outcome {
            Ok(value) if self.record_if.is_some_and(|record_if| !says(record_if, value)) => Ending::Failed,
            Ok(value) => Ending::Completed(self.replay.record(value, form)),
            Err(error) if self.unknown_err.is_some_and(|unknown_err| says(unknown_err, error)) => Ending::Unknown,
            Err(error) => match self.record_err {
                Some((record_err, replay)) if !ours && says(record_err, error) => {
                    Ending::Completed(replay.record(error, form))
                }
                _ => Ending::Failed,
            },
        }
    }

    /// A recorded result, of either side.
    #[inline]
    pub(super) fn replay(&self, payload: &Payload, form: Form<'_>) -> Result<Result<T, E>, PayloadError> {
        if let Some(value) = self.replay.recall(payload, form.key) {
            return Ok(Ok(value));
        }
        self.decode(payload, form)
    }

    fn decode(&self, payload: &Payload, form: Form<'_>) -> Result<Result<T, E>, PayloadError> {
        let opened = form.open(payload)?;
        let payload = opened.as_ref().unwrap_or(payload);
        match &self.record_err {
            Some((_, replay)) if payload.is_err() => replay.decode(payload, form.key).map(Err),
            _ => self.replay.decode(payload, form.key).map(Ok),
        }
    }
}

fn says<T>(rule: Rule<T>, of: &T) -> bool {
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
