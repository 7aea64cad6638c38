//! The verb `settle`: an operator resolves, retries or forgets a record.

use std::time::Duration;

use super::{Change, Found, Verb};
use crate::clock::Timestamp;
use crate::record::{Completion, Owner, Record, State, Steps};

/// An operator's decision about an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settlement {
    /// It completed with this result (`resolve`).
    Completed(Completion),
    /// It had no effect and may run again (`retry`).
    Failed,
    /// Its attempts, fingerprint and steps are deleted (`forget`). The fencing token is kept.
    Forgotten,
}

/// A request to apply an operator's [`Settlement`] to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settle {
    /// The fencing token of the record that the operator saw.
    pub fence: u64,
    /// Whether that record was completed. An owner with an expired lease may have completed it since, under the same fencing
    /// token.
    pub done: bool,
    /// The record's new owner token. The owner before can no longer change the record.
    pub owner: Owner,
    /// The operator's decision.
    pub settlement: Settlement,
}

/// A store's answer to a [`Settle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// The settlement was applied, now or by an earlier copy of the request.
    Applied,
    /// An owner holds a live lease. Nothing was changed.
    #[non_exhaustive]
    Running {
        /// How long the owner's lease still lasts.
        lease_left: Duration,
    },
    /// The record is not the one that the operator saw, or it is gone. Nothing was changed.
    Changed,
}

impl Settle {
    /// Makes a request about `record`, as it was loaded. `owner` is a fresh token.
    #[must_use]
    pub const fn new(record: &Record, owner: Owner, settlement: Settlement) -> Self {
        Self { fence: record.fence, done: record.is_completed(), owner, settlement }
    }
}

impl Settled {
    /// Makes the answer [`Running`](Self::Running).
    #[must_use]
    pub const fn running(lease_left: Duration) -> Self {
        Self::Running { lease_left }
    }
}

impl Verb for Settle {
    type Answer = Settled;

    fn apply(self, found: Found<'_>, now: Timestamp) -> (Change, Settled) {
        let record = match found.record {
            // The request was sent again.
            Some(record) if record.owner == self.owner => return (Change::Keep, Settled::Applied),
            Some(record) if record.fence == self.fence && record.is_completed() == self.done => record,
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
