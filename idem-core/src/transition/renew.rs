//! Keeping a key.

use super::{Change, Found, Verb};
use crate::clock::Timestamp;
use crate::record::{Owner, Record, State};

/// A request to keep a key for another lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renew {
    /// The claim's token.
    pub owner: Owner,
}

/// Whether the key still belongs to the owner that asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ownership {
    /// It does, and what was asked for is so.
    Held,
    /// It does not: somebody else took over, or the record is gone. Nothing was changed.
    Lost,
}

impl Renew {
    /// Keeps the key for the claim's lease, counted from now.
    #[must_use]
    pub const fn new(owner: Owner) -> Self {
        Self { owner }
    }
}

impl Verb for Renew {
    type Answer = Ownership;

    fn apply(self, found: Found<'_>, now: Timestamp) -> (Change, Ownership) {
        match found.record {
            // A lease that is over still belongs to its owner until somebody takes over.
            Some(record) if record.owner == self.owner && matches!(record.state, State::Running { .. }) => {
                (Change::Write(record.renewed(now)), Ownership::Held)
            }
            _ => (Change::Keep, Ownership::Lost),
        }
    }
}

impl Record {
    /// This running record, its lease counted from `now`.
    pub(super) fn renewed(&self, now: Timestamp) -> Self {
        let mut record = self.clone();
        if let State::Running { lease_until, .. } = &mut record.state {
            *lease_until = now.after(self.lease);
            record.expires_at = lease_until.after(self.ttl).max(self.expires_at);
        }
        record
    }
}
