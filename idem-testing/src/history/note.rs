//! One verb of a history.

use std::sync::Arc;

use idem_core::{
    transition, Change, Claim, Claimed, Finish, Key, Owner, Ownership, Record, Renew, SaveStep, Settle, Settled,
    Timestamp, Verb,
};

/// When a verb returned that never did.
pub(super) const NEVER: u64 = u64::MAX;

/// A verb on a key, and what is known of its answer. Times are microseconds.
#[derive(Debug, Clone)]
pub(super) struct Op {
    pub(super) client: Arc<str>,
    pub(super) key: Key,
    pub(super) asked: Asked,
    pub(super) invoked: u64,
    pub(super) returned: u64,
    pub(super) answer: Option<Answer>,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asked {
    Claim(Claim),
    Renew(Owner),
    Finish(Finish),
    Load,
    SaveStep(SaveStep),
    Settle(Settle),
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    Claimed(Claimed),
    Held(Ownership),
    Loaded(Option<Box<Record>>),
    Settled(Settled),
    /// The store could not, and changed nothing.
    NotApplied,
}

impl Asked {
    /// What the store should have done at `now`, and answered.
    pub(super) fn apply(&self, record: Option<&Record>, now: u64) -> (Change, Answer) {
        fn of<V: Verb>(
            record: Option<&Record>,
            verb: V,
            now: u64,
            answer: fn(V::Answer) -> Answer,
        ) -> (Change, Answer) {
            let (change, answered) = transition(record, verb, Timestamp::from_micros(now));
            (change, answer(answered))
        }
        match self {
            Self::Claim(claim) => of(record, claim, now, Answer::Claimed),
            Self::Renew(owner) => of(record, Renew::new(*owner), now, Answer::Held),
            Self::Finish(finish) => of(record, finish, now, Answer::Held),
            Self::SaveStep(save) => of(record, save, now, Answer::Held),
            Self::Settle(settle) => of(record, settle.clone(), now, Answer::Settled),
            Self::Load => {
                let there = record.filter(|record| !record.is_expired(Timestamp::from_micros(now)));
                (Change::Keep, Answer::Loaded(there.cloned().map(Box::new)))
            }
        }
    }

    /// The token that it is sent with.
    pub(super) const fn owner(&self) -> Option<Owner> {
        match self {
            Self::Claim(Claim { owner, .. })
            | Self::Renew(owner)
            | Self::Finish(Finish { owner, .. })
            | Self::SaveStep(SaveStep { owner, .. })
            | Self::Settle(Settle { owner, .. }) => Some(*owner),
            Self::Load => None,
        }
    }
}
