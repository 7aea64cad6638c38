//! An operator's word on what became of a call.

use std::time::Duration;

use super::{Change, Found, Verb};
use crate::clock::Timestamp;
use crate::record::{Completion, Owner, Record, State, Steps};

/// What an operator knows of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settlement {
    /// It is done, and this is its result.
    Completed(Completion),
    /// It had no effect: it may run again.
    Failed,
    /// Nothing is to be known of it.
    Forgotten,
}

/// A request to put an operator's word into a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settle {
    /// The fence of the record that the operator looked at.
    pub fence: u64,
    /// Whether that record was done. An owner whose lease was over may have ended it since, under the same fence.
    pub done: bool,
    /// Who owns the record from now on. The owner before is a former one.
    pub owner: Owner,
    /// What the operator knows.
    pub settlement: Settlement,
}

/// What a store answers to a [`Settle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// It is so.
    Applied,
    /// Somebody has the key. Nothing was changed.
    #[non_exhaustive]
    Running {
        /// What is left of the owner's lease.
        lease_left: Duration,
    },
    /// The record is not the one that was looked at. Nothing was changed.
    Changed,
}

impl Settle {
    /// Settles a record that was looked at.
    #[must_use]
    pub const fn new(record: &Record, owner: Owner, settlement: Settlement) -> Self {
        Self { fence: record.fence, done: is_done(record), owner, settlement }
    }
}

impl Settled {
    /// Somebody has the key.
    #[must_use]
    pub const fn running(lease_left: Duration) -> Self {
        Self::Running { lease_left }
    }
}

const fn is_done(record: &Record) -> bool {
    matches!(record.state, State::Completed(_))
}

impl Verb for Settle {
    type Answer = Settled;

    fn apply(self, found: Found<'_>, now: Timestamp) -> (Change, Settled) {
        let record = match found.record {
            // Sent again.
            Some(record) if record.owner == self.owner => return (Change::Keep, Settled::Applied),
            Some(record) if record.fence == self.fence && is_done(record) == self.done => record,
            _ => return (Change::Keep, Settled::Changed),
        };
        if let State::Running { lease_until, .. } = record.state {
            if lease_until > now {
                return (Change::Keep, Settled::running(lease_until.since(now)));
            }
        }
        let mut settled = Record {
            state: State::Failed,
            owner: self.owner,
            fence: found.next_fence(now),
            expires_at: now.after(record.ttl),
            after_unknown: false,
            ..record.clone()
        };
        match self.settlement {
            Settlement::Completed(completion) => {
                settled.state = State::Completed(completion);
                settled.steps = Steps::default();
            }
            Settlement::Failed => {}
            Settlement::Forgotten => {
                settled.attempt = 0;
                settled.fingerprint = None;
                settled.at_most_once = false;
                settled.steps = Steps::default();
            }
        }
        (Change::Write(settled), Settled::Applied)
    }
}
