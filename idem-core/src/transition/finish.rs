//! The verb `finish`: records how a run ended.

use super::{Change, Found, Ownership, Verb};
use crate::clock::Timestamp;
use crate::record::{Completion, Owner, Record, State, Steps};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The run succeeded. The body does not run again within the TTL.
    Completed(Completion),
    /// The run failed and is known to have had no effect. The next claim is granted; the attempt counts.
    Failed,
    /// The run may or may not have had its effect.
    Unknown,
    /// The body did not start. The record becomes what it was before the claim: `Unknown` if the outcome of the attempt before
    /// is unknown, otherwise `Failed`. The attempt does not count.
    Withdrawn,
}

/// A request to record how a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finish {
    /// The token of the claim that was granted.
    pub owner: Owner,
    /// The fencing token of the run. If a copy of the claim is granted once more, a late copy of this request must not end that
    /// other run. `None` when the claim was not answered: the request then ends the run of any grant to `owner`.
    pub fence: Option<u64>,
    /// How the run ended.
    pub ending: Ending,
}

impl Finish {
    /// Ends the owner's run, whatever its fencing token is. Sending it again has no further effect.
    #[must_use]
    pub const fn new(owner: Owner, ending: Ending) -> Self {
        Self { owner, fence: None, ending }
    }

    /// Ends only the run with this fencing token. Default: `None`, any.
    #[must_use]
    pub fn fence(mut self, fence: Option<u64>) -> Self {
        self.fence = fence;
        self
    }

    /// Whether `record` is the record of this run.
    fn is_of(&self, record: &Record) -> bool {
        record.owner == self.owner && self.fence.is_none_or(|fence| record.fence == fence)
    }
}

impl Verb for &Finish {
    type Answer = Ownership;

    fn apply(self, found: Found<'_>, now: Timestamp) -> (Change, Ownership) {
        let Some(record) = found.record.filter(|record| self.is_of(record)) else {
            return (Change::Keep, Ownership::Lost);
        };
        // An outcome replaces only a lower state. So a copy or a delayed request changes nothing, and a late success is still
        // recorded.
        if rank(&self.ending) <= standing(&record.state) {
            return (Change::Keep, Ownership::Held);
        }
        let mut ended = Record { expires_at: now.after(record.ttl), ..record.clone() };
        ended.state = match &self.ending {
            Ending::Completed(completion) => {
                ended.steps = Steps::default();
                State::Completed(completion.clone())
            }
            Ending::Failed => State::Failed,
            Ending::Unknown => State::Unknown,
            Ending::Withdrawn => {
                ended.attempt = record.attempt.saturating_sub(1);
                ended.expires_at = ended.expires_at.max(record.expires_at);
                ended.fingerprint = record.fingerprint.filter(|_| !record.set_fingerprint);
                ended.at_most_once = record.at_most_once && !record.set_at_most_once;
                if record.after_unknown {
                    State::Unknown
                } else {
                    State::Failed
                }
            }
        };
        (Change::Write(ended), Ownership::Held)
    }
}

const fn rank(ending: &Ending) -> u8 {
    match ending {
        Ending::Withdrawn | Ending::Failed => 1,
        Ending::Unknown => 2,
        Ending::Completed(_) => 3,
    }
}

const fn standing(state: &State) -> u8 {
    match state {
        State::Running { .. } => 0,
        State::Failed => 1,
        State::Unknown => 2,
        State::Completed(_) => 3,
    }
}
