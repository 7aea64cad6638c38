//! Asking for a key.

use std::time::Duration;

use super::{Change, Found, Verb};
use crate::clock::Timestamp;
use crate::fingerprint::Fingerprint;
use crate::record::{Completed, Owner, Record, State, Steps};

/// A request for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// The token of this claim. Sent again, it is the same claim.
    pub owner: Owner,
    /// What the request looks like.
    pub fingerprint: Option<Fingerprint>,
    /// Whether an attempt whose outcome is unknown must be the last one.
    pub at_most_once: bool,
    /// Whether the claimant will find out what became of an earlier attempt before it runs anything.
    pub reconciling: bool,
    /// How long a silent owner keeps the key. Never zero.
    pub lease: Duration,
    /// How long the record is kept once the run has ended. Never zero.
    pub ttl: Duration,
}

/// What a store answers to a [`Claim`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claimed {
    /// The key is the claimant's.
    Granted(Grant),
    /// The operation was done before.
    Completed(Completed),
    /// Somebody else has the key.
    #[non_exhaustive]
    Running {
        /// What is left of the owner's lease.
        lease_left: Duration,
        /// How long the owner has had the key.
        age: Duration,
        /// What the running request looks like.
        fingerprint: Option<Fingerprint>,
    },
    /// An earlier attempt's outcome is unknown, and it must be the last one.
    #[non_exhaustive]
    Indeterminate {
        /// That attempt.
        attempt: u32,
    },
    /// The key belongs to a different request.
    Reused,
}

/// What a new owner is told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grant {
    /// The fencing token, for systems outside that can compare it.
    pub fence: u64,
    /// Which attempt this is, counted from 1.
    pub attempt: u32,
    /// The record's fingerprint; an earlier attempt may have set it.
    pub fingerprint: Option<Fingerprint>,
    /// Whether the attempt before this one ended with its outcome unknown.
    pub after_unknown: bool,
    /// What the attempts before this one have finished.
    pub steps: Steps,
}

impl Claim {
    /// A claim that may take over from an attempt whose outcome is unknown. A lease or TTL of more than a hundred years counts as
    /// one of a hundred: no store can overflow.
    #[must_use]
    pub const fn new(owner: Owner, lease: Duration, ttl: Duration) -> Self {
        let (lease, ttl) = (shorter(lease), shorter(ttl));
        Self { owner, fingerprint: None, at_most_once: false, reconciling: false, lease, ttl }
    }

    /// Adds what the request looks like.
    #[must_use]
    pub const fn fingerprint(mut self, fingerprint: Option<Fingerprint>) -> Self {
        self.fingerprint = fingerprint;
        self
    }

    /// Makes an attempt whose outcome is unknown the last one.
    #[must_use]
    pub const fn at_most_once(mut self, at_most_once: bool) -> Self {
        self.at_most_once = at_most_once;
        self
    }

    /// Says that the claimant will find out what became of an earlier attempt.
    #[must_use]
    pub const fn reconciling(mut self, reconciling: bool) -> Self {
        self.reconciling = reconciling;
        self
    }
}

/// A hundred years at most.
const fn shorter(duration: Duration) -> Duration {
    const LONGEST: u64 = 100 * 365 * 24 * 60 * 60;
    if duration.as_secs() < LONGEST {
        duration
    } else {
        Duration::from_secs(LONGEST)
    }
}

impl Claimed {
    /// Somebody else has the key.
    #[must_use]
    pub const fn running(lease_left: Duration, age: Duration, fingerprint: Option<Fingerprint>) -> Self {
        Self::Running { lease_left, age, fingerprint }
    }

    /// An earlier attempt's outcome is unknown, and it must be the last one.
    #[must_use]
    pub const fn indeterminate(attempt: u32) -> Self {
        Self::Indeterminate { attempt }
    }
}

impl Grant {
    /// The answer to a new owner.
    #[must_use]
    pub fn new(fence: u64, attempt: u32, fingerprint: Option<Fingerprint>, after_unknown: bool) -> Self {
        Self { fence, attempt, fingerprint, after_unknown, steps: Steps::default() }
    }

    /// Adds what the attempts before this one have finished.
    #[must_use]
    pub fn steps(mut self, steps: Steps) -> Self {
        self.steps = steps;
        self
    }
}

impl Verb for &Claim {
    type Answer = Claimed;

    fn apply(self, found: Found<'_>, now: Timestamp) -> (Change, Claimed) {
        let Some(record) = found.record else {
            return self.grant(None, false, found, now);
        };
        let mine = record.owner == self.owner;
        let same = Fingerprint::same_request(record.fingerprint.as_ref(), self.fingerprint.as_ref());
        let refused = |answer| (Change::Keep, answer);
        match &record.state {
            // The same claim, sent again.
            State::Running { .. } if mine => granted(record.renewed(now)),
            // The same claim, delivered after its owner had ended: there is nobody to grant anything to.
            State::Failed | State::Unknown if mine => refused(Claimed::indeterminate(record.attempt)),
            State::Completed(completion) if same => refused(Claimed::Completed(Completed::new(
                record.fingerprint,
                completion.clone(),
                record.expires_at.since(now),
            ))),
            State::Failed if same => self.grant(Some(record), false, found, now),
            // What another request has finished is none of this one's.
            State::Failed if record.steps.is_empty() => self.grant(None, false, found, now),
            _ if !same => refused(Claimed::Reused),
            State::Running { since, lease_until } if *lease_until > now => {
                refused(Claimed::running(lease_until.since(now), now.since(*since), record.fingerprint))
            }
            _ if (record.at_most_once || self.at_most_once) && !self.reconciling => {
                refused(Claimed::indeterminate(record.attempt))
            }
            _ => self.grant(Some(record), true, found, now),
        }
    }
}

impl Claim {
    /// Grants the key: afresh, or as the next attempt at what `earlier` was.
    fn grant(
        &self,
        earlier: Option<&Record>,
        after_unknown: bool,
        found: Found<'_>,
        now: Timestamp,
    ) -> (Change, Claimed) {
        let lease_until = now.after(self.lease);
        let record = Record {
            state: State::Running { since: now, lease_until },
            owner: self.owner,
            fence: found.next_fence(now),
            attempt: earlier.map_or(0, |earlier| earlier.attempt).saturating_add(1),
            fingerprint: self.fingerprint.or_else(|| earlier.and_then(|earlier| earlier.fingerprint)),
            at_most_once: self.at_most_once || earlier.is_some_and(|earlier| earlier.at_most_once),
            after_unknown,
            set_fingerprint: earlier.is_none_or(|earlier| earlier.fingerprint.is_none()),
            set_at_most_once: earlier.is_none_or(|earlier| !earlier.at_most_once),
            steps: earlier.map(|earlier| earlier.steps.clone()).unwrap_or_default(),
            lease: self.lease,
            ttl: self.ttl,
            // A claim that is withdrawn must not have shortened what is known of the attempts before it.
            expires_at: lease_until.after(self.ttl).max(earlier.map_or(now, |earlier| earlier.expires_at)),
        };
        granted(record)
    }
}

fn granted(record: Record) -> (Change, Claimed) {
    let grant = Grant::new(record.fence, record.attempt, record.fingerprint, record.after_unknown);
    let grant = grant.steps(record.steps.clone());
    (Change::Write(record), Claimed::Granted(grant))
}
