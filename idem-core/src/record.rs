//! What a store keeps about one key.

mod bytes;
mod checksum;
mod owner;
mod payload;
mod steps;

use std::time::Duration;

pub use bytes::RecordError;
pub use owner::Owner;
pub(crate) use payload::{Memo, Side};
pub use payload::{Payload, PayloadError};
pub use steps::{Step, Steps};

use crate::clock::Timestamp;
use crate::fingerprint::Fingerprint;

/// Everything a store keeps about one key.
///
/// The record says what happened; what to do about it is decided by the caller's policy. Its life is
/// [`transition`](crate::transition): stores apply that function and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// What the owner was last known to do.
    pub state: State,
    /// The last owner's token. The record is its own until somebody else takes over.
    pub owner: Owner,
    /// Rises with every new owner of the key, also after the record was deleted.
    pub fence: u64,
    /// How many owners have run the body, this one included.
    pub attempt: u32,
    /// What the request looked like, if the caller said so.
    pub fingerprint: Option<Fingerprint>,
    /// Whether an attempt whose outcome is unknown is the last one.
    pub at_most_once: bool,
    /// Whether the attempt before this one ended with its outcome unknown.
    pub after_unknown: bool,
    /// Whether this owner was the first to say what the request looks like; withdrawn, it takes that with it.
    pub set_fingerprint: bool,
    /// Whether this owner was the first to ask for at-most-once; withdrawn, it takes that with it.
    pub set_at_most_once: bool,
    /// What was finished so far, kept until the call is done.
    pub steps: Steps,
    /// How long a silent owner keeps the key.
    pub lease: Duration,
    /// How long the record is kept once the run has ended.
    pub ttl: Duration,
    /// When the record may be forgotten.
    pub expires_at: Timestamp,
}

/// Where a record stands in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// The owner has the key. Once the lease is over this counts as unknown.
    #[non_exhaustive]
    Running {
        /// When the owner was granted the key.
        since: Timestamp,
        /// When the lease is over.
        lease_until: Timestamp,
    },
    /// The operation is done.
    Completed(Completion),
    /// The attempt failed and is known to have had no effect worth keeping.
    Failed,
    /// The attempt ended and nobody knows whether it had its effect.
    Unknown,
}

/// How a done operation is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Completion {
    /// With its result.
    Result(Payload),
    /// Without: the result could not be stored. The body does not run again all the same.
    Unreplayable,
}

/// A done operation as callers get it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completed {
    /// The fingerprint of the request that was done.
    pub fingerprint: Option<Fingerprint>,
    /// Its result.
    pub completion: Completion,
    /// How long it is to be replayed yet.
    pub ttl_left: Duration,
}

impl Completed {
    /// A done operation.
    #[must_use]
    pub const fn new(fingerprint: Option<Fingerprint>, completion: Completion, ttl_left: Duration) -> Self {
        Self { fingerprint, completion, ttl_left }
    }
}

impl State {
    /// The owner has the key.
    #[must_use]
    pub const fn running(since: Timestamp, lease_until: Timestamp) -> Self {
        Self::Running { since, lease_until }
    }
}

impl Record {
    /// A record read back from a store that keeps its fields apart; those that are not named here are empty, and are to be set.
    #[must_use]
    pub fn new(state: State, owner: Owner, expires_at: Timestamp) -> Self {
        Self {
            state,
            owner,
            fence: 0,
            attempt: 0,
            fingerprint: None,
            at_most_once: false,
            after_unknown: false,
            set_fingerprint: false,
            set_at_most_once: false,
            steps: Steps::default(),
            lease: Duration::ZERO,
            ttl: Duration::ZERO,
            expires_at,
        }
    }

    /// The done operation, if the record is one and its TTL is not over at `now`.
    #[must_use]
    pub fn completed(&self, now: Timestamp) -> Option<Completed> {
        match &self.state {
            State::Completed(completion) if !self.is_expired(now) => {
                Some(Completed::new(self.fingerprint, completion.clone(), self.expires_at.since(now)))
            }
            _ => None,
        }
    }

    /// Whether nothing is known of the call any more, and only the fence is kept: its record was forgotten, or its first
    /// claim withdrawn.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.attempt == 0 && self.state == State::Failed
    }

    /// Whether the record's retention is over at `now`.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }
}
