//! The record's life, as one pure function.
//!
//! Every store applies [`transition`] to what it holds, atomically, and answers with what it returns. The conformance
//! suite and the checkers judge stores by it.

mod claim;
mod finish;
mod renew;
mod settle;
mod step;

use crate::clock::Timestamp;
use crate::record::Record;

pub use claim::{Claim, Claimed, Grant};
pub use finish::{Ending, Finish};
pub use renew::{Ownership, Renew};
pub use settle::{Settle, Settled, Settlement};
pub use step::SaveStep;

/// What a verb does to the stored record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing. A store needs to write nothing, not even a time.
    Keep,
    /// This is the record from now on, kept until its `expires_at`. Nothing is deleted before: also a record that was
    /// forgotten leaves its fence.
    Write(Record),
}

/// Something a store can be asked to do to one key's record.
pub trait Verb: sealed::Sealed {
    /// What the store answers.
    type Answer;

    #[doc(hidden)]
    fn apply(self, found: Found<'_>, now: Timestamp) -> (Change, Self::Answer);
}

/// What happens to a record, and what the caller is told.
///
/// `state` is the record as stored, also when its retention is over: a record that a store has not yet got round to
/// deleting counts as none, except that its fence still rises. `now` is the store's own clock.
#[must_use]
pub fn transition<V: Verb>(state: Option<&Record>, verb: V, now: Timestamp) -> (Change, V::Answer) {
    let found =
        Found { record: state.filter(|record| !record.is_expired(now)), fence: state.map_or(0, |record| record.fence) };
    verb.apply(found, now)
}

/// A stored record, with what survives its retention.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    record: Option<&'a Record>,
    fence: u64,
}

impl Found<'_> {
    /// A fence above the last one, and above all that were given to records deleted since.
    fn next_fence(&self, now: Timestamp) -> u64 {
        self.fence.saturating_add(1).max(now.as_micros())
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for &super::Claim {}
    impl Sealed for super::Renew {}
    impl Sealed for &super::Finish {}
    impl Sealed for super::Settle {}
    impl Sealed for &super::SaveStep {}
}

#[cfg(test)]
mod tests;
