//! What a call is doing, as one value, and why it claims its key.
//!
//! Pure: no lock, no clock, no I/O, no async. [`call`](super::call) performs what the phase says; `tests/model` explores every
//! order of messages around this very file.

use crate::clock::Instant;
use crate::record::Owner;
use crate::transition::{Ending, Ownership};

/// What a call is doing, as far as the store is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The store holds nothing of this call.
    Idle,
    /// A claim was sent, and the store may have granted it.
    Claiming(Pending),
    /// The key was granted; the body has not been polled.
    Granted(Lease),
    /// The key was granted beside a success of this process; the store has not acknowledged the withdrawal.
    Yielding(Lease),
    /// The body has been polled and has not ended.
    Running(Hold),
    /// The body has ended; the record does not say so yet.
    Recording(Recording),
    /// The record says how the body ended, or there is nothing to say.
    Done,
}

/// A claim that was sent and not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) owner: Owner,
    /// From then on a grant of this claim is over before it is heard of.
    pub(crate) until: Instant,
}

/// A granted key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) owner: Owner,
    pub(crate) fence: u64,
    /// The key is this call's until then, as far as this process knows. Counted from when the claim or the renewal was sent.
    pub(crate) valid_until: Instant,
    /// The outcome of the attempt before this one is unknown.
    pub(crate) after_unknown: bool,
}

/// What protects a running body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    Lease(Lease),
    /// Nothing (`fail_open`): the store did not answer the claim with this token, and may still grant it if it is pending.
    Unguarded {
        token: Owner,
        pending: Option<Pending>,
    },
}

/// An outcome on its way into the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recording {
    pub(crate) ending: Ending,
    pub(crate) standing: Standing,
    /// The body ran under a lease, and not under `fail_open`.
    pub(crate) guarded: bool,
    /// The ending was sent with its result and without: only the store knows which of the two it applied.
    pub(crate) ambiguous: bool,
}

/// By what right an outcome is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Held(Lease),
    /// The store may still grant this claim.
    Pending(Pending),
    /// The key is not this call's. A success claims it again, always with this token, so that all its claims are one.
    Lost {
        token: Owner,
    },
}

/// For how long an outcome is sent again, and its lease renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// One lease, which is not renewed: a lease that runs out says the same.
    Lease,
    /// The TTL; the lease is renewed.
    Ttl,
}

/// What the store's answer to an ending leaves to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// Nothing: the record says how the body ended.
    Recorded,
    /// Nothing: another call owns the key, and this outcome is not a success.
    LeaseLost,
    /// Claim the key with this token, in order to record the success.
    Reclaim(Owner),
    /// Send the ending again after a pause: its claim may still be granted.
    SendAgain,
}

impl Phase {
    /// The token under which the store may hold something of this call.
    pub(crate) const fn token(&self) -> Option<Owner> {
        match self {
            Self::Idle | Self::Done => None,
            Self::Claiming(claim) => Some(claim.owner),
            Self::Running(Hold::Unguarded { token, .. }) => Some(*token),
            Self::Granted(lease) | Self::Yielding(lease) | Self::Running(Hold::Lease(lease)) => Some(lease.owner),
            Self::Recording(recording) => Some(recording.standing.token()),
        }
    }

    /// The lease of a call that still counts on its key.
    pub(crate) const fn lease(&self) -> Option<&Lease> {
        match self {
            Self::Granted(lease) | Self::Running(Hold::Lease(lease)) => Some(lease),
            Self::Recording(Recording { standing: Standing::Held(lease), .. }) => Some(lease),
            _ => None,
        }
    }

    /// Whether the lease is renewed.
    pub(crate) const fn is_renewed(&self) -> bool {
        match self {
            Self::Granted(_) | Self::Running(Hold::Lease(_)) => true,
            Self::Recording(recording) => {
                matches!(recording.standing, Standing::Held(_)) && matches!(recording.limit(), Limit::Ttl)
            }
            _ => false,
        }
    }

    /// The lease was renewed, or (with a moment that is past) lost.
    pub(crate) fn set_valid_until(&mut self, valid_until: Instant) {
        match self {
            Self::Granted(lease) | Self::Running(Hold::Lease(lease)) => lease.valid_until = valid_until,
            Self::Recording(Recording { standing: Standing::Held(lease), .. }) => lease.valid_until = valid_until,
            _ => {}
        }
    }

    /// A claim is sent, for the first time or again.
    pub(crate) fn claim_sent(&mut self, claim: Pending) {
        match self {
            Self::Recording(recording) => recording.standing = Standing::Pending(claim),
            _ => *self = Self::Claiming(claim),
        }
    }

    /// The store holds nothing of the claim that was sent: it said so, or the claim did not reach it.
    pub(crate) fn claim_refused(&mut self) {
        match self {
            Self::Recording(recording) => recording.standing = Standing::Lost { token: recording.standing.token() },
            _ => *self = Self::Idle,
        }
    }

    /// The store granted the key.
    pub(crate) fn claim_granted(&mut self, lease: Lease) {
        match self {
            Self::Recording(recording) => recording.standing = Standing::Held(lease),
            _ => *self = Self::Granted(lease),
        }
    }

    /// The key goes back because a success of this process is on its way.
    pub(crate) fn yield_key(&mut self) {
        if let Self::Granted(lease) = *self {
            *self = Self::Yielding(lease);
        }
    }

    /// The store did not answer the claim with this token, and the body runs without a lease.
    pub(crate) fn run_unguarded(&mut self, token: Owner) {
        let pending = match *self {
            Self::Claiming(claim) => Some(claim),
            _ => None,
        };
        *self = Self::Running(Hold::Unguarded { token, pending });
    }

    pub(crate) const fn is_unguarded(&self) -> bool {
        matches!(self, Self::Running(Hold::Unguarded { .. }))
    }

    /// The body is about to be polled for the first time.
    pub(crate) fn body_started(&mut self) {
        if let Self::Granted(lease) = *self {
            *self = Self::Running(Hold::Lease(lease));
        }
    }

    /// The body has ended, or `reconcile` has said what its outcome is.
    pub(crate) fn body_ended(&mut self, ending: Ending) {
        let (ending, standing, guarded) = match *self {
            Self::Granted(lease) | Self::Running(Hold::Lease(lease)) => (ending, Standing::Held(lease), true),
            // A success without a lease takes the path of one that lost its lease. All claims of its call are one.
            Self::Running(Hold::Unguarded { token, pending }) if is_success(&ending) => {
                (ending, pending.map_or(Standing::Lost { token }, Standing::Pending), false)
            }
            // The store did not say what became of earlier attempts, so a withdrawal leaves the record as it was.
            Self::Running(Hold::Unguarded { pending: Some(claim), .. }) => {
                (Ending::Withdrawn, Standing::Pending(claim), false)
            }
            _ => return *self = Self::Done,
        };
        *self = Self::Recording(Recording { ending, standing, guarded, ambiguous: false });
    }

    /// The call is dropped. Says for how long what is left to record is sent; `None` if there is nothing.
    pub(crate) fn dropped(&mut self) -> Option<Limit> {
        let (ending, standing, guarded) = match *self {
            Self::Idle | Self::Done | Self::Running(Hold::Unguarded { pending: None, .. }) => return None,
            Self::Claiming(claim) => (Ending::Withdrawn, Standing::Pending(claim), true),
            Self::Granted(lease) | Self::Yielding(lease) => (Ending::Withdrawn, Standing::Held(lease), true),
            Self::Running(Hold::Unguarded { pending: Some(claim), .. }) => {
                (Ending::Withdrawn, Standing::Pending(claim), false)
            }
            Self::Running(Hold::Lease(lease)) => (Ending::Unknown, Standing::Held(lease), true),
            Self::Recording(ref recording) => return Some(recording.limit()),
        };
        let recording = Recording { ending, standing, guarded, ambiguous: false };
        let limit = recording.limit();
        *self = Self::Recording(recording);
        Some(limit)
    }
}

impl Recording {
    pub(crate) const fn is_success(&self) -> bool {
        is_success(&self.ending)
    }

    /// For how long the ending is sent. `standing` does not count: a success that claims its key again has none and is sent
    /// until the TTL all the same.
    pub(crate) const fn limit(&self) -> Limit {
        match self.ending {
            Ending::Completed(_) | Ending::Failed if self.guarded => Limit::Ttl,
            _ => Limit::Lease,
        }
    }

    /// The store answered the ending.
    pub(crate) fn answered(&mut self, answer: Ownership, now: Instant, fresh: impl FnOnce() -> Owner) -> Answered {
        if answer == Ownership::Held {
            return Answered::Recorded;
        }
        match self.standing {
            _ if self.is_success() => {
                let token = match self.standing {
                    // A token whose run has ended is not used for another claim.
                    Standing::Held(_) => fresh(),
                    other => other.token(),
                };
                self.standing = Standing::Lost { token };
                Answered::Reclaim(token)
            }
            Standing::Pending(claim) if now < claim.until => Answered::SendAgain,
            _ => Answered::LeaseLost,
        }
    }
}

impl Standing {
    pub(crate) const fn token(self) -> Owner {
        match self {
            Self::Held(lease) => lease.owner,
            Self::Pending(claim) => claim.owner,
            Self::Lost { token } => token,
        }
    }

    /// The fencing token that the ending names. A claim that was not answered has none: its ending ends what was granted.
    pub(crate) const fn fence(self) -> Option<u64> {
        match self {
            Self::Held(lease) => Some(lease.fence),
            Self::Pending(_) | Self::Lost { .. } => None,
        }
    }
}

const fn is_success(ending: &Ending) -> bool {
    matches!(ending, Ending::Completed(_))
}

/// Why a call claims its key: the only place where running a body and recording a success differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To run the body.
    Run,
    /// To record the success of a body that has ended. Nothing runs.
    Record { token: Owner },
}

impl Purpose {
    /// The token to claim with. `known` is the one under which the store may hold something of this call already.
    pub(crate) fn token(self, known: Option<Owner>, fresh: impl FnOnce() -> Owner) -> Owner {
        match self {
            Self::Run => known.unwrap_or_else(fresh),
            Self::Record { token } => token,
        }
    }

    /// Whether an unknown outcome before may be taken over whatever the policy: nothing runs after it.
    pub(crate) const fn takes_over_unknown(self, reconciling: bool) -> bool {
        reconciling || !self.runs()
    }

    pub(crate) const fn may_fail_open(self, fail_open: bool, at_most_once: bool) -> bool {
        fail_open && !at_most_once && self.runs()
    }

    /// Whether a body runs when the key is granted. Then the call yields to a success of this process, ends when the `Idem`
    /// drains, rejoins when another call overtook it, and answers its followers with the store's error.
    pub(crate) const fn runs(self) -> bool {
        matches!(self, Self::Run)
    }
}

#[cfg(test)]
#[path = "phase/tests.rs"] // `tests/model` names this file by its path, too.
mod tests;
