//! The state machine of a call: what the call is doing ([`Phase`]), and why it claims its key ([`Purpose`]).
//!
//! Pure: no lock, no clock, no I/O, no async code. [`call`](super::call) sends the requests. The model checker in `tests/model`
//! compiles this file and tries every order of messages.

use crate::clock::Instant;
use crate::record::Owner;
use crate::transition::{Ending, Ownership};

/// What a call is doing, and what the store may hold of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The store holds nothing of this call.
    Idle,
    /// The call sent a claim, and the store may have granted it.
    Claiming(Pending),
    /// The store granted the lease; the body has not been polled.
    Granted(Lease),
    /// The store granted the lease, but another call of this process has a success to record. This call withdraws its claim,
    /// and the store has not acknowledged that.
    Yielding(Lease),
    /// The body has been polled and has not ended.
    Running(Hold),
    /// The call has an outcome to record, and the store has not acknowledged it.
    Recording(Recording),
    /// There is nothing left to record.
    Done,
}

/// A claim that was sent and not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) owner: Owner,
    /// One lease after the claim was sent. A grant that arrives later is not used, because its lease may have expired.
    pub(crate) until: Instant,
}

/// A lease that the store granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) owner: Owner,
    pub(crate) fence: u64,
    /// When the lease expires, as far as this process knows: one lease after the claim or the last renewal was sent.
    pub(crate) valid_until: Instant,
    /// Whether the outcome of the attempt before this one is unknown.
    pub(crate) after_unknown: bool,
}

/// What protects a running body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    Lease(Lease),
    /// Nothing (`fail_open`): the store did not answer the claim with this token. It may still grant a claim that is pending.
    Unguarded {
        token: Owner,
        pending: Option<Pending>,
    },
}

/// An outcome that this call sends to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recording {
    pub(crate) ending: Ending,
    pub(crate) standing: Standing,
    /// `false` if the body ran unguarded (`fail_open`).
    pub(crate) guarded: bool,
    /// The call sent the success with its result and without it, and does not know which of the two the store applied.
    pub(crate) ambiguous: bool,
}

/// What the call holds in the store while it records an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Held(Lease),
    /// A claim that the store may still grant.
    Pending(Pending),
    /// Nothing. A success claims the key again, always with this token, so that the store treats all these claims as one.
    Lost {
        token: Owner,
    },
}

/// How long an outcome is sent, and whether the lease is renewed meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// One lease, which is not renewed. When it expires, the next claim treats the record as `Unknown`.
    Lease,
    /// The TTL; the lease is renewed.
    Ttl,
}

/// What the call does after the store's answer to an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// Nothing: the store acknowledged the outcome.
    Recorded,
    /// Nothing: the lease is lost, and this outcome is not a success.
    LeaseLost,
    /// Claim the key with this token, in order to record the success.
    Reclaim(Owner),
    /// Send the outcome again after a pause, because the store may still grant the claim.
    SendAgain,
}

impl Phase {
    /// The token of this call's claims. `None` if the store holds nothing of this call.
    pub(crate) const fn token(&self) -> Option<Owner> {
        match self {
            Self::Idle | Self::Done => None,
            Self::Claiming(claim) => Some(claim.owner),
            Self::Running(Hold::Unguarded { token, .. }) => Some(*token),
            Self::Granted(lease) | Self::Yielding(lease) | Self::Running(Hold::Lease(lease)) => Some(lease.owner),
            Self::Recording(recording) => Some(recording.standing.token()),
        }
    }

    /// The lease that this call holds. `None` while the call yields.
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

    /// Sets when the lease expires: later after a renewal, in the past if the lease is lost.
    pub(crate) fn set_valid_until(&mut self, valid_until: Instant) {
        match self {
            Self::Granted(lease) | Self::Running(Hold::Lease(lease)) => lease.valid_until = valid_until,
            Self::Recording(Recording { standing: Standing::Held(lease), .. }) => lease.valid_until = valid_until,
            _ => {}
        }
    }

    /// The call sends a claim, for the first time or again.
    pub(crate) fn claim_sent(&mut self, claim: Pending) {
        match self {
            Self::Recording(recording) => recording.standing = Standing::Pending(claim),
            _ => *self = Self::Claiming(claim),
        }
    }

    /// The store holds nothing of the claim: it answered so, or the claim did not reach it.
    pub(crate) fn claim_refused(&mut self) {
        match self {
            Self::Recording(recording) => recording.standing = Standing::Lost { token: recording.standing.token() },
            _ => *self = Self::Idle,
        }
    }

    /// The store granted the claim.
    pub(crate) fn claim_granted(&mut self, lease: Lease) {
        match self {
            Self::Recording(recording) => recording.standing = Standing::Held(lease),
            _ => *self = Self::Granted(lease),
        }
    }

    /// The call withdraws its claim, because another call of this process has a success to record.
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

    /// The body has ended, or `reconcile` has returned a value or an error.
    pub(crate) fn body_ended(&mut self, ending: Ending) {
        let (ending, standing, guarded) = match *self {
            Self::Granted(lease) | Self::Running(Hold::Lease(lease)) => (ending, Standing::Held(lease), true),
            // An unguarded success is recorded like a success that lost its lease. It claims with the token of the first claim,
            // so that the store treats all claims of this call as one.
            Self::Running(Hold::Unguarded { token, pending }) if is_success(&ending) => {
                (ending, pending.map_or(Standing::Lost { token }, Standing::Pending), false)
            }
            // The store did not answer, so this call does not know the outcomes of earlier attempts. A withdrawal leaves them
            // as they are in the record.
            Self::Running(Hold::Unguarded { pending: Some(claim), .. }) => {
                (Ending::Withdrawn, Standing::Pending(claim), false)
            }
            _ => return *self = Self::Done,
        };
        *self = Self::Recording(Recording { ending, standing, guarded, ambiguous: false });
    }

    /// The call is dropped. Returns how long the outcome that is left to record is sent; `None` if there is none.
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

    /// How long the outcome is sent. Not derived from `standing`: a success that claims its key again holds no lease, and is
    /// sent for the TTL all the same.
    pub(crate) const fn limit(&self) -> Limit {
        match self.ending {
            Ending::Completed(_) | Ending::Failed if self.guarded => Limit::Ttl,
            _ => Limit::Lease,
        }
    }

    /// The store answered the outcome. Returns what the call does next.
    pub(crate) fn answered(&mut self, answer: Ownership, now: Instant, fresh: impl FnOnce() -> Owner) -> NextStep {
        if answer == Ownership::Held {
            return NextStep::Recorded;
        }
        match self.standing {
            _ if self.is_success() => {
                let token = match self.standing {
                    // A fresh token, because the run of the old one may have ended. The store would take a claim with the old
                    // token for a late copy.
                    Standing::Held(_) => fresh(),
                    other => other.token(),
                };
                self.standing = Standing::Lost { token };
                NextStep::Reclaim(token)
            }
            Standing::Pending(claim) if now < claim.until => NextStep::SendAgain,
            _ => NextStep::LeaseLost,
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

    /// The fencing token to send with the outcome. A claim without an answer has none: the outcome ends any grant of its token.
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

/// Why a call claims its key. Calls that run a body and calls that record a success differ only in the methods of this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To run the body.
    Run,
    /// To record the success of a body that has ended. No body runs.
    Record { token: Owner },
}

impl Purpose {
    /// The token to claim with. `known` is the token of this call's earlier claims, if the store may hold something of them.
    pub(crate) fn token(self, known: Option<Owner>, fresh: impl FnOnce() -> Owner) -> Owner {
        match self {
            Self::Run => known.unwrap_or_else(fresh),
            Self::Record { token } => token,
        }
    }

    /// Whether the store may grant the claim after an unknown outcome even if the policy is at most once. Always so for a claim
    /// that records a success, because no body runs.
    pub(crate) const fn takes_over_unknown(self, reconciling: bool) -> bool {
        reconciling || !self.runs()
    }

    pub(crate) const fn may_fail_open(self, fail_open: bool, at_most_once: bool) -> bool {
        fail_open && !at_most_once && self.runs()
    }

    /// Whether a body runs after the grant. Then the call yields to a success of this process, ends when the `Idem` drains,
    /// joins again if another call overtook it, and passes the store's error to its followers.
    pub(crate) const fn runs(self) -> bool {
        matches!(self, Self::Run)
    }
}

#[cfg(test)]
#[path = "phase/tests.rs"] // `tests/model` names this file by its path, too.
mod tests;
