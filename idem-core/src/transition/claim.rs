//! The verb `claim`: the request for the lease.

use std::time::Duration;

use super::{Change, Found, Verb};
use crate::clock::Timestamp;
use crate::fingerprint::Fingerprint;
use crate::record::{Completed, Owner, Record, State, Steps};

/// A request for the lease of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// The token of this claim. A claim that is sent again with the same token is the same claim.
    pub owner: Owner,
    /// The fingerprint of the request, if the caller gave one.
    pub fingerprint: Option<Fingerprint>,
    /// Whether an attempt with an unknown outcome forbids another one.
    pub at_most_once: bool,
    /// Whether the claimant finds out the outcome of an earlier attempt before it runs the body. Then the store may grant the
    /// claim even if `at_most_once` is set.
    pub reconciling: bool,
    /// How long the owner holds the lease without renewing it. Never zero.
    pub lease: Duration,
    /// How long the record is kept after the run has ended. Never zero.
    pub ttl: Duration,
}

/// A store's answer to a [`Claim`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claimed {
    /// The claimant holds the lease.
    Granted(Grant),
    /// The operation is completed.
    Completed(Completed),
    /// Another owner holds the lease.
    #[non_exhaustive]
    Running {
        /// How long the owner's lease still lasts.
        lease_left: Duration,
        /// How long ago the owner's claim was granted.
        age: Duration,
        /// The fingerprint of the running request, if it has one.
        fingerprint: Option<Fingerprint>,
    },
    /// The outcome of an earlier attempt is unknown and forbids another attempt, or this claim is a late copy and its run has
    /// ended.
    #[non_exhaustive]
    Indeterminate {
        /// The attempt, counted from 1.
        attempt: u32,
    },
    /// The record belongs to a request with another fingerprint.
    Reused,
}

/// What a granted claim returns to the new owner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grant {
    /// The fencing token. A downstream system can reject requests with a lower one.
    pub fence: u64,
    /// Which attempt this is, counted from 1.
    pub attempt: u32,
    /// The record's fingerprint. An earlier attempt may have set it.
    pub fingerprint: Option<Fingerprint>,
    /// Whether the outcome of the attempt before this one is unknown.
    pub after_unknown: bool,
    /// The steps that earlier attempts finished.
    pub steps: Steps,
}

impl Claim {
    /// Makes a claim without a fingerprint that may take over from an attempt with an unknown outcome. A lease or TTL over a
    /// hundred years is cut to a hundred years, so that no store overflows.
    #[must_use]
    pub const fn new(owner: Owner, lease: Duration, ttl: Duration) -> Self {
        let (lease, ttl) = (shorter(lease), shorter(ttl));
        Self { owner, fingerprint: None, at_most_once: false, reconciling: false, lease, ttl }
    }

    /// Sets the fingerprint of the request. Default: none.
    #[must_use]
    pub const fn fingerprint(mut self, fingerprint: Option<Fingerprint>) -> Self {
        self.fingerprint = fingerprint;
        self
    }

    /// Sets whether an attempt with an unknown outcome forbids another one. Default: `false`.
    #[must_use]
    pub const fn at_most_once(mut self, at_most_once: bool) -> Self {
        self.at_most_once = at_most_once;
        self
    }

    /// Sets whether the claimant finds out the outcome of an earlier attempt. Default: `false`.
    #[must_use]
    pub const fn reconciling(mut self, reconciling: bool) -> Self {
        self.reconciling = reconciling;
        self
    }
}

/// Cuts `duration` to a hundred years.
const fn shorter(duration: Duration) -> Duration {
    const LONGEST: u64 = 100 * 365 * 24 * 60 * 60;
    if duration.as_secs() < LONGEST {
        duration
    } else {
        Duration::from_secs(LONGEST)
    }
}

impl Claimed {
    /// Makes the answer [`Running`](Self::Running).
    #[must_use]
    pub const fn running(lease_left: Duration, age: Duration, fingerprint: Option<Fingerprint>) -> Self {
        Self::Running { lease_left, age, fingerprint }
    }

    /// Makes the answer [`Indeterminate`](Self::Indeterminate).
    #[must_use]
    pub const fn indeterminate(attempt: u32) -> Self {
        Self::Indeterminate { attempt }
    }
}

impl Grant {
    /// Makes a grant without steps.
    #[must_use]
    pub fn new(fence: u64, attempt: u32, fingerprint: Option<Fingerprint>, after_unknown: bool) -> Self {
        Self { fence, attempt, fingerprint, after_unknown, steps: Steps::default() }
    }

    /// Sets the steps that earlier attempts finished. Default: none.
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
            // The same claim was sent again.
            State::Running { .. } if mine => granted(record.renewed(now)),
            // A copy of the claim arrived after its run had ended. A grant would go to a call that no longer waits for it.
            State::Failed | State::Unknown if mine => refused(Claimed::indeterminate(record.attempt)),
            State::Completed(completion) if same => refused(Claimed::Completed(Completed::new(
                record.fingerprint,
                completion.clone(),
                record.expires_at.since(now),
            ))),
            State::Failed if same => self.grant(Some(record), false, found, now),
            // Another request after a failure starts afresh. With saved steps it is refused below: they belong to the first
            // request.
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
    /// Grants the lease: for attempt 1, or for the next attempt after `earlier`.
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
            // Not below the earlier record's: if this claim is withdrawn, that record must not expire sooner than before.
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
