//! The record: what a store keeps under one key.

mod bytes;
mod checksum;
mod payload;
mod steps;

use std::fmt;
use std::time::Duration;

pub use bytes::RecordError;
pub(crate) use payload::{Memo, Side};
pub use payload::{Payload, PayloadError};
pub use steps::{Step, Steps};

use crate::clock::Timestamp;
use crate::fingerprint::Fingerprint;

/// Everything that a store keeps under one key.
///
/// Only [`transition`](crate::transition) changes a record: stores apply that function and nothing else. What a caller gets
/// depends on the record and on the caller's options.
///
/// ```
/// use std::time::Duration;
///
/// use idem_core::{transition, Change, Claim, Key, Owner, Record, State, Timestamp};
///
/// let key = Key::new("", "payments.charge", &7)?;
/// let claim = Claim::new(Owner::random(), Duration::from_secs(15), Duration::from_secs(60));
/// let (change, _) = transition(None, &claim, Timestamp::from_micros(1));
/// let Change::Write(record) = change else { panic!("a claim of a free key is granted") };
/// assert!(matches!(record.state, State::Running { .. }));
/// assert_eq!(Record::from_bytes(&record.to_bytes(&key), &key), Ok(record));
/// # Ok::<(), idem_core::InvalidKey>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The state of the operation.
    pub state: State,
    /// The token of the last owner. Only the holder of this token can end or renew the run, until another claim is granted.
    pub owner: Owner,
    /// The fencing token: rises with every grant of the key, even if the record was deleted in between.
    pub fence: u64,
    /// How many attempts were granted, this one included. A withdrawn attempt does not count.
    pub attempt: u32,
    /// The fingerprint of the request, if a caller gave one.
    pub fingerprint: Option<Fingerprint>,
    /// Whether an attempt with an unknown outcome forbids another one.
    pub at_most_once: bool,
    /// Whether the outcome of the attempt before this one is unknown.
    pub after_unknown: bool,
    /// Whether this owner set the fingerprint first. If so, withdrawing its claim removes the fingerprint.
    pub set_fingerprint: bool,
    /// Whether this owner set `at_most_once` first. If so, withdrawing its claim clears it.
    pub set_at_most_once: bool,
    /// The finished steps, kept until the operation is completed.
    pub steps: Steps,
    /// How long the owner holds the lease after its last claim or renewal.
    pub lease: Duration,
    /// How long the record is kept after the run has ended.
    pub ttl: Duration,
    /// When the record expires: from then on it counts as absent and may be deleted.
    pub expires_at: Timestamp,
}

/// The state of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// The owner holds the lease, or held it: after `lease_until` a claim treats the record as [`Unknown`](Self::Unknown).
    #[non_exhaustive]
    Running {
        /// When the claim was granted.
        since: Timestamp,
        /// When the lease expires.
        lease_until: Timestamp,
    },
    /// The operation succeeded; its body does not run again within the TTL.
    Completed(Completion),
    /// The attempt failed and is known to have had no effect. The operation may run again.
    Failed,
    /// The attempt was cancelled, panicked or failed such that it may or may not have had its effect.
    Unknown,
}

/// What is kept of a completed operation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Completion {
    /// Its result, for replay.
    Result(Payload),
    /// No result, because it could not be recorded. The body still does not run again within the TTL.
    Unreplayable,
}

/// A completed operation, as a store answers a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completed {
    /// The fingerprint of the request that completed.
    pub fingerprint: Option<Fingerprint>,
    /// The result, or that it cannot be replayed.
    pub completion: Completion,
    /// How long the result may still be replayed.
    pub ttl_left: Duration,
}

impl Completed {
    /// Makes the answer of a store from its parts.
    #[must_use]
    pub const fn new(fingerprint: Option<Fingerprint>, completion: Completion, ttl_left: Duration) -> Self {
        Self { fingerprint, completion, ttl_left }
    }
}

impl State {
    /// Makes the state [`Running`](Self::Running).
    #[must_use]
    pub const fn running(since: Timestamp, lease_until: Timestamp) -> Self {
        Self::Running { since, lease_until }
    }
}

impl Record {
    /// Makes a record for a store that keeps fields separately. The other fields are zero, `false` or `None`; set them.
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

    /// The completed operation. `None` when the state is another one or the record has expired at `now`.
    #[must_use]
    pub fn completed(&self, now: Timestamp) -> Option<Completed> {
        match &self.state {
            State::Completed(completion) if !self.is_expired(now) => {
                Some(Completed::new(self.fingerprint, completion.clone(), self.expires_at.since(now)))
            }
            _ => None,
        }
    }

    pub(crate) const fn is_completed(&self) -> bool {
        matches!(self.state, State::Completed(_))
    }

    /// Whether the record keeps only its fencing token: an operator forgot the record, or the first claim was withdrawn.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.attempt == 0 && self.state == State::Failed
    }

    /// Whether the record has expired at `now`.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }
}

/// The token of one claim: 128 random bits, drawn before the claim is first sent and never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner([u8; 16]);

impl Owner {
    /// Draws a fresh token from a seeded CSPRNG.
    #[must_use]
    pub fn random() -> Self {
        // A forked process continues with its parent's seed; the process id makes their tokens differ.
        let process = u128::from(std::process::id());
        Self((rand::random::<u128>() ^ process).to_be_bytes())
    }

    /// Makes a token of the bytes that a store read back.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes that a store writes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Owner({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}
