//! Whether what a store did with one verb is lawful. Written from the contract's tables, not from `transition`.

use idem_core::{
    Claim, Claimed, Ending, Fingerprint, Finish, Owner, Ownership, Record, SaveStep, Settle, Settled, State, Timestamp,
};

use crate::law::Law;
use crate::state::Before;

/// One verb, and what became of the record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change<'a> {
    /// As stored, also when its retention is over.
    pub(crate) stored: Option<&'a Record>,
    pub(crate) after: Option<&'a Record>,
    pub(crate) clock: Timestamp,
    /// The highest fence that was ever given.
    pub(crate) highest: u64,
}

/// The first table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// The key is free, and nothing is known of it.
    Afresh,
    /// The key is free, and attempts went before; the last one's outcome may be unknown.
    Next {
        after_unknown: bool,
    },
    /// The claim was granted before.
    Again,
    Replay,
    Reused,
    Wait,
    Indeterminate,
}

/// Whether a record's last attempt has ended, and nobody knows how.
pub(crate) fn is_unknown(record: &Record, clock: Timestamp) -> bool {
    match record.state {
        State::Running { lease_until, .. } => lease_until <= clock,
        State::Unknown => true,
        _ => false,
    }
}

pub(crate) fn is_live(record: &Record, clock: Timestamp) -> bool {
    matches!(record.state, State::Running { lease_until, .. } if lease_until > clock)
}

pub(crate) fn row(found: Option<&Record>, claim: &Claim, clock: Timestamp) -> Row {
    let Some(record) = found else {
        return Row::Afresh;
    };
    let same = same(record.fingerprint, claim.fingerprint);
    if record.owner == claim.owner && !matches!(record.state, State::Completed(_)) {
        // An attempt that has ended has nobody to grant anything to.
        return if matches!(record.state, State::Running { .. }) { Row::Again } else { Row::Indeterminate };
    }
    match &record.state {
        State::Failed if same => Row::Next { after_unknown: false },
        State::Failed if record.steps.is_empty() => Row::Afresh,
        _ if !same => Row::Reused,
        State::Completed(_) => Row::Replay,
        State::Running { .. } if is_live(record, clock) => Row::Wait,
        _ if claim.reconciling || !(claim.at_most_once || record.at_most_once) => Row::Next { after_unknown: true },
        _ => Row::Indeterminate,
    }
}

fn same(one: Option<Fingerprint>, other: Option<Fingerprint>) -> bool {
    one.is_none() || other.is_none() || one == other
}

impl Change<'_> {
    fn found(&self) -> Option<&Record> {
        self.stored.filter(|record| !record.is_expired(self.clock))
    }

    fn found_of(&self, owner: Owner) -> Option<&Record> {
        self.found().filter(|record| record.owner == owner)
    }

    fn is_none(&self) -> bool {
        self.stored == self.after
    }

    pub(crate) fn claim(&self, claim: &Claim, answer: &Claimed) -> Result<Row, Law> {
        let row = row(self.found(), claim, self.clock);
        match answer {
            Claimed::Granted(grant) => {
                let after = self.after.ok_or(Law::Recorded)?;
                self.grant(claim, row)?;
                let told = (grant.fence, grant.attempt, grant.fingerprint, grant.after_unknown, &grant.steps);
                let is_so = told == (after.fence, after.attempt, after.fingerprint, after.after_unknown, &after.steps);
                is_so.then_some(row).ok_or(Law::Recorded)
            }
            _ if !self.is_none() => Err(Law::Refused),
            Claimed::Completed(completed) if row == Row::Replay => {
                let recorded = self.found().and_then(|record| record.completed(self.clock));
                (recorded.as_ref() == Some(completed)).then_some(row).ok_or(Law::Recorded)
            }
            Claimed::Running { .. } if row == Row::Wait => Ok(row),
            Claimed::Indeterminate { .. } if row == Row::Indeterminate => Ok(row),
            Claimed::Reused if row == Row::Reused => Ok(row),
            _ => Err(Law::Table),
        }
    }

    fn grant(&self, claim: &Claim, row: Row) -> Result<(), Law> {
        let after = self.after.ok_or(Law::Recorded)?;
        if let Some(found) = self.found() {
            let mine = found.owner == claim.owner;
            let once = (found.at_most_once || claim.at_most_once) && !claim.reconciling;
            match found.state {
                State::Completed(_) => return Err(Law::DoneStaysDone),
                _ if is_live(found, self.clock) && !mine => return Err(Law::LiveLease),
                State::Failed | State::Unknown if mine => return Err(Law::EndedToken),
                _ if is_unknown(found, self.clock) && !mine && once => return Err(Law::AtMostOnce),
                _ => {}
            }
        }
        let State::Running { lease_until, .. } = after.state else {
            return Err(Law::Recorded);
        };
        if after.owner != claim.owner || lease_until != self.clock.after(after.lease) {
            return Err(Law::Recorded);
        }
        let earlier = match row {
            Row::Again => {
                let found = self.found().ok_or(Law::Table)?;
                let is_same = (found.fence, found.attempt, &found.steps) == (after.fence, after.attempt, &after.steps);
                return if is_same { self.is_kept(after, lease_until, Some(found)) } else { Err(Law::Resent) };
            }
            Row::Next { .. } => self.found(),
            Row::Afresh => None,
            _ => return Err(Law::Table),
        };
        if after.fence <= self.highest {
            return Err(Law::Fence);
        }
        let mut goes_on = after.clone();
        goes_on.attempt = earlier.map_or(0, |earlier| earlier.attempt) + 1;
        goes_on.fingerprint = claim.fingerprint.or(earlier.and_then(|earlier| earlier.fingerprint));
        goes_on.at_most_once = claim.at_most_once || earlier.is_some_and(|earlier| earlier.at_most_once);
        goes_on.after_unknown = row == Row::Next { after_unknown: true };
        goes_on.steps = earlier.map(|earlier| earlier.steps.clone()).unwrap_or_default();
        (goes_on.lease, goes_on.ttl) = (claim.lease, claim.ttl);
        if goes_on != *after {
            return Err(Law::GoesOn);
        }
        self.is_kept(after, lease_until, earlier)
    }

    /// For lease and TTL, and no shorter than it would have been.
    fn is_kept(&self, after: &Record, from: Timestamp, earlier: Option<&Record>) -> Result<(), Law> {
        let long = after.expires_at >= from.after(after.ttl);
        let no_shorter = earlier.is_none_or(|earlier| after.expires_at >= earlier.expires_at);
        (long && no_shorter).then_some(()).ok_or(Law::Retention)
    }

    pub(crate) fn renew(&self, owner: Owner, answer: Ownership) -> Result<(), Law> {
        let running = self.found_of(owner).filter(|record| matches!(record.state, State::Running { .. }));
        let (Some(found), Some(after)) = (running, self.after) else {
            return (answer == Ownership::Lost && self.is_none()).then_some(()).ok_or(Law::Former);
        };
        let State::Running { lease_until, .. } = after.state else {
            return Err(Law::Recorded);
        };
        if answer != Ownership::Held || lease_until != self.clock.after(found.lease) {
            return Err(Law::Belief);
        }
        let mut but_for_time = found.clone();
        (but_for_time.state, but_for_time.expires_at) = (after.state.clone(), after.expires_at);
        if but_for_time != *after {
            return Err(Law::GoesOn);
        }
        self.is_kept(after, lease_until, Some(found))
    }

    pub(crate) fn finish(&self, finish: &Finish, answer: Ownership, before: Option<&Before>) -> Result<(), Law> {
        // A copy that comes late is about another run than that of a claim's copy.
        let its = |record: &&Record| finish.fence.is_none_or(|fence| fence == record.fence);
        let (Some(found), Some(after)) = (self.found_of(finish.owner).filter(its), self.after) else {
            return (answer == Ownership::Lost && self.is_none()).then_some(()).ok_or(Law::Former);
        };
        let rises = match (&found.state, &finish.ending) {
            (State::Running { .. }, _) => true,
            (State::Failed, ending) => matches!(ending, Ending::Completed(_) | Ending::Unknown),
            (State::Unknown, ending) => matches!(ending, Ending::Completed(_)),
            _ => false,
        };
        if !rises {
            let done = matches!(found.state, State::Completed(_));
            let law = if done { Law::OneResult } else { Law::Resent };
            return (answer == Ownership::Held && self.is_none()).then_some(()).ok_or(law);
        }
        if answer != Ownership::Held {
            return Err(if is_live(found, self.clock) { Law::Belief } else { Law::LateSuccess });
        }
        let mut expected = found.clone();
        match &finish.ending {
            Ending::Completed(completion) => {
                (expected.state, expected.steps) = (State::Completed(completion.clone()), Default::default());
            }
            Ending::Failed => expected.state = State::Failed,
            Ending::Unknown => expected.state = State::Unknown,
            _ => return self.withdraw(after, before),
        }
        if expected.state != after.state {
            return Err(Law::Recorded);
        }
        expected.expires_at = after.expires_at;
        if expected != *after {
            return Err(Law::GoesOn);
        }
        self.is_kept(after, self.clock, None)
    }

    fn withdraw(&self, after: &Record, before: Option<&Before>) -> Result<(), Law> {
        let before = before.ok_or(Law::Withdrawn)?;
        let state = if before.unknown { State::Unknown } else { State::Failed };
        let left = Before {
            attempt: after.attempt,
            fingerprint: after.fingerprint.map(|fingerprint| *fingerprint.as_bytes()),
            at_most_once: after.at_most_once,
            unknown: after.state == State::Unknown,
            steps: after.steps.count(),
            expires_at: before.expires_at,
        };
        if left != *before || after.state != state {
            return Err(Law::Withdrawn);
        }
        let kept = before.expires_at.is_none_or(|until| after.expires_at >= until);
        kept.then_some(()).ok_or(Law::Retention)?;
        self.is_kept(after, self.clock, None)
    }

    pub(crate) fn save(&self, save: &SaveStep, answer: Ownership) -> Result<(), Law> {
        let running = self.found_of(save.owner).filter(|record| matches!(record.state, State::Running { .. }));
        let (Some(found), Some(after)) = (running, self.after) else {
            return (answer == Ownership::Lost && self.is_none()).then_some(()).ok_or(Law::Former);
        };
        let (before, now) = (found.steps.count(), after.steps.count());
        let mut but_for_steps = found.clone();
        but_for_steps.steps = after.steps.clone();
        let is_right = match save.index.cmp(&before) {
            std::cmp::Ordering::Less => answer == Ownership::Held && self.is_none(),
            std::cmp::Ordering::Greater => answer == Ownership::Lost && self.is_none(),
            std::cmp::Ordering::Equal => {
                let kept = after.steps.iter().zip(found.steps.iter()).all(|(after, found)| after == found);
                let added = now == before + 1 && after.steps.iter().last().as_ref() == Some(&save.step);
                answer == Ownership::Held && kept && added && but_for_steps == *after
            }
        };
        is_right.then_some(()).ok_or(Law::Steps)
    }

    pub(crate) fn settle(&self, settle: &Settle, answer: Settled, outdated: bool) -> Result<(), Law> {
        if self.is_none() {
            let again = self.found_of(settle.owner).is_some();
            return (answer != Settled::Applied || again).then_some(()).ok_or(Law::Operator);
        }
        let (Some(found), Some(after)) = (self.found(), self.after) else {
            return Err(Law::Operator);
        };
        if outdated || is_live(found, self.clock) || answer != Settled::Applied || after.owner != settle.owner {
            return Err(Law::Operator);
        }
        if after.fence <= self.highest {
            return Err(Law::Fence);
        }
        self.is_kept(after, self.clock, None)
    }
}
