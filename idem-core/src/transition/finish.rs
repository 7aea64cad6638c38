//! Ending a run.

use super::{Change, Found, Ownership, Verb};
use crate::clock::Timestamp;
use crate::record::{Completion, Owner, Record, State, Steps};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Done. The body does not run again until the TTL is over.
    Completed(Completion),
    /// CallError, and known to have had no effect: the key is free, its attempts still count.
    Failed,
    /// Nobody knows whether it had its effect.
    Unknown,
    /// The body never began. The record goes back to what it was before the claim: failed, or unknown when it is an
    /// earlier attempt whose outcome is unknown.
    Withdrawn,
}

/// A request to end a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finish {
    /// The claim's token.
    pub owner: Owner,
    /// The fence that the run was granted. A copy that comes when a copy of the claim was granted once more is about another
    /// run, and must not end it. Without one, as where the claim was never answered, it ends whatever was granted.
    pub fence: Option<u64>,
    /// How the run ended.
    pub ending: Ending,
}

impl Finish {
    /// Ends the owner's run, whichever it is. Sent again, it is the same ending.
    #[must_use]
    pub const fn new(owner: Owner, ending: Ending) -> Self {
        Self { owner, fence: None, ending }
    }

    /// Ends only the run that was granted with this fence.
    #[must_use]
    pub fn fence(mut self, fence: Option<u64>) -> Self {
        self.fence = fence;
        self
    }

    /// Whether this is the record of the run that ended.
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
        // Endings only rise: sent again or out of order they change nothing, and a late success still lands.
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
