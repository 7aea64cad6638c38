//! The life of a record, as one pure function: [`transition`].
//!
//! A store applies it atomically to the record it holds and answers with what it returns. Redis and PostgreSQL decide by the
//! same rules inside the server. The conformance suite and the checkers compare stores with this function.

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

/// What a store does with the record after a verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing: the store writes nothing.
    Keep,
    /// Replaces the record. The store keeps it until its `expires_at`. A record that an operator forgot is written, too: it
    /// keeps the fencing token.
    Write(Record),
}

/// A request to a store about one key's record.
pub trait Verb: sealed::Sealed {
    /// What the store answers.
    type Answer;

    #[doc(hidden)]
    fn apply(self, found: Found<'_>, now: Timestamp) -> (Change, Self::Answer);
}

/// Applies `verb` to a record: returns what the store writes and what it answers.
///
/// `state` is the stored record, even if it has expired: an expired record counts as absent, but the next fencing token is
/// above its own. `now` is the time by the store's clock.
///
/// ```
/// use std::time::Duration;
///
/// use idem_core::{transition, Change, Claim, Claimed, Owner, Timestamp};
///
/// let claim = |owner| Claim::new(owner, Duration::from_secs(15), Duration::from_secs(60));
/// let now = Timestamp::from_micros(1_700_000_000_000_000);
/// let (change, answer) = transition(None, &claim(Owner::random()), now);
/// assert!(matches!(answer, Claimed::Granted(grant) if grant.attempt == 1));
/// let Change::Write(record) = change else { panic!("a grant is written") };
///
/// let (change, answer) = transition(Some(&record), &claim(Owner::random()), now);
/// assert!(matches!(answer, Claimed::Running { .. }));
/// assert_eq!(change, Change::Keep);
/// ```
#[must_use]
pub fn transition<V: Verb>(state: Option<&Record>, verb: V, now: Timestamp) -> (Change, V::Answer) {
    let found =
        Found { record: state.filter(|record| !record.is_expired(now)), fence: state.map_or(0, |record| record.fence) };
    verb.apply(found, now)
}

/// The stored record, and its fencing token even if the record has expired.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    record: Option<&'a Record>,
    fence: u64,
}

impl Found<'_> {
    /// A fencing token above the last one, and at least `now` in microseconds, so that it is also above those of records that
    /// were deleted since.
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
