//! The verb `renew`: prolongs a lease.

use super::{Change, Found, Verb};
use crate::clock::Timestamp;
use crate::record::{Owner, Record, State};

/// A request to prolong the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renew {
    /// The token of the claim that was granted.
    pub owner: Owner,
}

/// Whether the record still belongs to the owner that sent the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ownership {
    /// The record belongs to the owner, and the request was applied or was applied before.
    Held,
    /// Another claim was granted, an operator changed the record, the record is gone, or (for `renew` and `save_step`) the run
    /// has ended. Nothing was changed.
    Lost,
}

impl Renew {
    /// Makes a request for the length of the claim's lease, counted from the store's time when it applies it.
    #[must_use]
    pub const fn new(owner: Owner) -> Self {
        Self { owner }
    }
}

impl Verb for Renew {
    type Answer = Ownership;

    fn apply(self, found: Found<'_>, now: Timestamp) -> (Change, Ownership) {
        match found.record {
            // An expired lease can be renewed until another claim is granted.
            Some(record) if record.owner == self.owner && matches!(record.state, State::Running { .. }) => {
                (Change::Write(record.renewed(now)), Ownership::Held)
            }
            _ => (Change::Keep, Ownership::Lost),
        }
    }
}

impl Record {
    /// This record; if it is running, with a lease that starts at `now`.
    pub(super) fn renewed(&self, now: Timestamp) -> Self {
        let mut record = self.clone();
        if let State::Running { lease_until, .. } = &mut record.state {
            *lease_until = now.after(self.lease);
            record.expires_at = lease_until.after(self.ttl).max(self.expires_at);
        }
        record
    }
}
