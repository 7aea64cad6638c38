//! "How a call is answered", read once more.

use idem::{Completion, Fingerprint, State};

use super::Judge;
use crate::path::Says;

/// What a call must come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Must {
    Run,
    /// `reconcile` is asked first.
    Ask,
    Replay,
    KeyReused,
    Unreplayable,
    Indeterminate,
    /// Somebody has the key: to wait for that one, or not to.
    Wait,
    InProgress,
}

impl Judge<'_> {
    /// What a call comes to by the record as it is.
    pub(super) fn must(&self, other: bool) -> Must {
        let Some(record) = self.record.as_ref().filter(|record| record.expires_at > self.now()) else {
            return Must::Run;
        };
        let same = match (&record.fingerprint, self.print(other)) {
            (Some(one), Some(other)) => Fingerprint::as_bytes(one) == other.as_bytes(),
            _ => true,
        };
        match &record.state {
            State::Failed => Must::Run,
            _ if !same => Must::KeyReused,
            State::Completed(Completion::Result(_)) => Must::Replay,
            State::Completed(Completion::Unreplayable) => Must::Unreplayable,
            State::Running { .. } if self.is_live(record) => Must::Wait,
            _ if self.path.asks.is_some() => Must::Ask,
            _ if record.at_most_once || self.path.at_most_once => Must::Indeterminate,
            _ => Must::Run,
        }
    }

    /// Whether `reconcile` may end without an answer.
    pub(super) fn asking_may_fail(&self) -> bool {
        self.path.asks == Some(Says::Err)
    }
}
