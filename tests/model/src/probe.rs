//! What must be so of any record, whoever comes next: each record that a world comes to is asked all of it, once.

use idem_core::{
    transition, Change as Written, Claim, Claimed, Ending, Finish, Owner, Ownership, Record, Renew, State, Timestamp,
    Verb,
};

use crate::judge::{is_live, Change};
use crate::law::Law;
use crate::state::{owner, result};
use crate::time::ticks;
use crate::world::fingerprint;

/// Somebody who was never there before.
const STRANGER: Owner = owner(0xe0);

/// A record as it is, and what it is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe<'a> {
    pub(crate) stored: Option<&'a Record>,
    pub(crate) clock: Timestamp,
    pub(crate) highest: u64,
}

impl Probe<'_> {
    pub(crate) fn all(&self) -> Result<(), Law> {
        self.first_table()?;
        match self.stored.filter(|record| !record.is_expired(self.clock)) {
            Some(record) => self.its_owner(record),
            None => Ok(()),
        }
    }

    /// Whoever claims gets the table's answer: now, when the lease is over, and when the retention is.
    fn first_table(&self) -> Result<(), Law> {
        let lease = match self.stored.map(|record| &record.state) {
            Some(State::Running { lease_until, .. }) => Some(*lease_until),
            _ => None,
        };
        let end = self.stored.map(|record| record.expires_at);
        for clock in [Some(self.clock), lease, end].into_iter().flatten().filter(|clock| *clock >= self.clock) {
            let later = Self { clock, ..*self };
            for claim in strangers() {
                let answer = later.claim(&claim)?;
                let free = matches!(answer, Claimed::Granted(_));
                // A lease that is over blocks nobody; a retention that is over, nothing at all.
                let over = lease.is_none_or(|lease| lease <= clock);
                if over && matches!(answer, Claimed::Running { .. }) || end.is_none_or(|end| end <= clock) && !free {
                    return Err(Law::NoWedge);
                }
            }
        }
        Ok(())
    }

    fn claim(&self, claim: &Claim) -> Result<Claimed, Law> {
        let (after, answer) = self.apply(claim);
        let change = Change { stored: self.stored, after: after.as_ref(), clock: self.clock, highest: self.highest };
        change.claim(claim, &answer)?;
        Ok(answer)
    }

    fn its_owner(&self, record: &Record) -> Result<(), Law> {
        let (owner, clock) = (record.owner, self.clock);
        if let State::Running { lease_until, .. } = record.state {
            if record.expires_at < lease_until.after(record.ttl) {
                return Err(Law::Retention);
            }
            // Sent again, its claim is granted again; and a renewal comes in time for as long as nobody took over.
            let again = Claim::new(owner, record.lease, record.ttl).fingerprint(record.fingerprint);
            let Claimed::Granted(grant) = self.claim(&again)? else {
                return Err(Law::Resent);
            };
            let (renewed, held) = self.apply(Renew::new(owner));
            if grant.fence != record.fence || held != Ownership::Held {
                return Err(Law::Resent);
            }
            let until = renewed.and_then(|renewed| match renewed.state {
                State::Running { lease_until, .. } => Some(lease_until),
                _ => None,
            });
            if until != Some(clock.after(record.lease)) {
                return Err(Law::Belief);
            }
        }
        if is_live(record, clock) && record.expires_at <= clock {
            return Err(Law::LiveIsKept);
        }
        let finish = |ending| self.apply(&Finish::new(owner, ending).fence(Some(record.fence)));
        let (after, held) = finish(Ending::Completed(result(0xe0)));
        let landed = after.as_ref().is_some_and(|after| after.state == State::Completed(result(0xe0)));
        match record.state {
            State::Completed(_) if held != Ownership::Held || after.as_ref() != self.stored => {
                return Err(Law::OneResult)
            }
            State::Completed(_) => {}
            _ if held != Ownership::Held || !landed => return Err(Law::LateSuccess),
            _ => {}
        }
        // Endings only rise.
        for (ending, below) in [
            (Ending::Withdrawn, matches!(record.state, State::Running { .. })),
            (Ending::Failed, matches!(record.state, State::Running { .. })),
            (Ending::Unknown, matches!(record.state, State::Running { .. } | State::Failed)),
        ] {
            let (after, held) = finish(ending);
            if held != Ownership::Held || !below && after.as_ref() != self.stored {
                return Err(Law::Resent);
            }
        }
        // Nobody else ends anything.
        for ending in [Ending::Completed(result(0xe0)), Ending::Failed, Ending::Unknown, Ending::Withdrawn] {
            let (after, held) = self.apply(&Finish::new(STRANGER, ending));
            if held != Ownership::Lost || after.as_ref() != self.stored {
                return Err(Law::Former);
            }
        }
        Ok(())
    }

    fn apply<V: Verb>(&self, verb: V) -> (Option<Record>, V::Answer) {
        let (change, answer) = transition(self.stored, verb, self.clock);
        let after = match change {
            Written::Write(record) => Some(record),
            Written::Keep => self.stored.cloned(),
        };
        (after, answer)
    }
}

/// A claim of every kind.
fn strangers() -> impl Iterator<Item = Claim> {
    (0..12_u8).map(|kind| {
        Claim::new(STRANGER, ticks(1), ticks(1))
            .fingerprint([None, Some(fingerprint(1)), Some(fingerprint(2))][usize::from(kind % 3)])
            .at_most_once(kind / 3 % 2 == 1)
            .reconciling(kind / 6 == 1)
    })
}
