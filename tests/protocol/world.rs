//! One key in a store, the laws, and what happens by chance.

use std::time::Duration;

use idem::*;

use crate::Mistake;

pub(crate) const LEASE: Duration = Duration::from_secs(15);
pub(crate) const TTL: Duration = Duration::from_secs(3600);

/// A law of the contract that a story broke, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) u8, pub(crate) &'static str);

/// A step of a story: what it is answered, unless it breaks a law.
pub(crate) type Step<T = ()> = Result<T, Broken>;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) mistake: Mistake,
    /// The owner that renews while time passes.
    pub(crate) renewing: Option<Owner>,
    /// Whether that owner was told that it lost its lease.
    pub(crate) heard_loss: bool,
    now: Timestamp,
    record: Option<Record>,
    /// What a crash of the store leaves.
    durable: Option<Record>,
    owners: u8,
    /// The latest grant, and the end of its lease while it runs.
    granted: Option<(Owner, u64)>,
    live_until: Option<Timestamp>,
    /// The recorded success, and the answer of a caller.
    success: Option<Completion>,
    told: Option<Completion>,
    /// For each body that has begun: whether it is known to have failed.
    failed: Vec<bool>,
    /// The decisions of this story, each with the number of its alternatives.
    decisions: Vec<(usize, usize)>,
    decided: usize,
}

impl World {
    pub(crate) fn new(mistake: Mistake, decisions: Vec<(usize, usize)>) -> Self {
        Self {
            mistake,
            renewing: None,
            heard_loss: false,
            now: Timestamp::from_micros(1_000_000_000),
            record: None,
            durable: None,
            owners: 0,
            granted: None,
            live_until: None,
            success: None,
            told: None,
            failed: Vec::new(),
            decisions,
            decided: 0,
        }
    }

    /// One of `of` alternatives. Another story takes the next one.
    pub(crate) fn choose(&mut self, of: usize) -> usize {
        if self.decided == self.decisions.len() {
            self.decisions.push((0, of));
        }
        self.decided += 1;
        self.decisions.get(self.decided - 1).map_or(0, |(choice, _)| *choice)
    }

    pub(crate) fn chance(&mut self) -> bool {
        self.choose(2) == 1
    }

    /// The decisions of the next story, if there is one.
    pub(crate) fn next(self) -> Option<Vec<(usize, usize)>> {
        let mut decisions = self.decisions;
        while let Some((choice, of)) = decisions.pop() {
            if choice + 1 < of {
                decisions.push((choice + 1, of));
                return Some(decisions);
            }
        }
        None
    }

    pub(crate) fn token(&mut self) -> Owner {
        self.owners += 1;
        Owner::from_bytes([self.owners; 16])
    }

    pub(crate) fn claim(&mut self, claim: &Claim) -> Step<Claimed> {
        let mut found = self.record.clone();
        let lapsed = found.as_mut().and_then(|record| match &mut record.state {
            State::Running { lease_until, .. } if record.owner != claim.owner => {
                if self.mistake == Mistake::LiveLeaseGranted {
                    *lease_until = self.now;
                }
                Some(*lease_until <= self.now)
            }
            _ => None,
        });
        if let (Some(record), Some(true), Mistake::LapsedIsFree) = (&mut found, lapsed, self.mistake) {
            record.state = State::Failed;
        }
        let row = self.record.as_ref().map(|record| record.fence);
        let mut answer = self.apply(found, claim)?;
        if let Claimed::Granted(grant) = &mut answer {
            if let (Mistake::FenceForgotten, Some(record)) = (self.mistake, &mut self.record) {
                if row != Some(grant.fence) {
                    record.fence = row.map_or(1, |fence| fence + 1);
                    grant.fence = record.fence;
                }
            }
            let others = self.granted.filter(|(owner, _)| *owner != claim.owner);
            if others.is_some() && self.live_until.is_some_and(|until| until > self.now) {
                return Err(Broken(1, "a second live lease"));
            }
            if others.is_some_and(|(_, fence)| fence >= grant.fence) {
                return Err(Broken(6, "a fence that does not rise"));
            }
            self.granted = Some((claim.owner, grant.fence));
            self.live_until = Some(self.now.after(LEASE));
        }
        Ok(answer)
    }

    pub(crate) fn renew(&mut self, owner: Owner) -> Step<Ownership> {
        let answer = self.apply(self.record.clone(), Renew::new(owner))?;
        if answer == Ownership::Held {
            self.is_owner(owner)?;
            self.live_until = Some(self.now.after(LEASE));
        }
        Ok(answer)
    }

    pub(crate) fn finish(&mut self, finish: &Finish) -> Step<Ownership> {
        let (mut found, mut finish) = (self.record.clone(), finish.clone());
        if let Some(record) = &mut found {
            match self.mistake {
                Mistake::FormerOwnerEnds => (record.owner, finish.fence) = (finish.owner, None),
                Mistake::CopyEndsAnotherRun => finish.fence = None,
                Mistake::SuccessOverwritten if self.success.is_some() => {
                    record.state = State::running(self.now, self.now);
                    (record.owner, finish.fence) = (finish.owner, None);
                }
                _ => {}
            }
        }
        let answer = self.apply(found, &finish)?;
        if answer == Ownership::Held {
            self.is_owner(finish.owner)?;
            self.live_until = None;
        }
        Ok(answer)
    }

    /// A copy of an ending arrives that belongs to the run with this fence.
    pub(crate) fn copy(&mut self, finish: &Finish, fence: u64) -> Step {
        let before = self.record.clone();
        self.finish(finish)?;
        if self.granted.is_some_and(|(_, granted)| granted != fence) && self.record != before {
            return Err(Broken(6, "a copy of an ending that ends another run"));
        }
        Ok(())
    }

    fn apply<V: Verb>(&mut self, found: Option<Record>, verb: V) -> Step<V::Answer> {
        let (change, answer) = transition(found.as_ref(), verb, self.now);
        if let Change::Write(record) = change {
            let before = self.record.replace(record);
            self.durable =
                if self.mistake == Mistake::AcknowledgedBeforeDurable { before } else { self.record.clone() };
        }
        match (self.record.as_ref().and_then(|record| record.completed(self.now)), &self.success) {
            (now, Some(success)) if now.as_ref().map(|now| &now.completion) != Some(success) => {
                Err(Broken(2, "a recorded success that changes"))
            }
            (now, _) => {
                self.success = now.map(|now| now.completion);
                Ok(answer)
            }
        }
    }

    fn is_owner(&self, owner: Owner) -> Step {
        let is_owner = self.granted.is_some_and(|(granted, _)| granted == owner);
        is_owner.then_some(()).ok_or(Broken(6, "a former owner that changes the record"))
    }

    /// A body begins. Its number is that of its result.
    pub(crate) fn begin(&mut self, at_most_once: bool) -> Step<usize> {
        if self.told.is_some() {
            return Err(Broken(4, "a body after a success that a caller was told"));
        }
        if at_most_once && self.failed.last() == Some(&false) {
            return Err(Broken(5, "a second at-most-once attempt instead of Indeterminate"));
        }
        self.failed.push(false);
        Ok(self.failed.len() - 1)
    }

    /// A body ends, and is known to have had no effect.
    pub(crate) fn failed(&mut self, run: usize) {
        if let Some(failed) = self.failed.get_mut(run) {
            *failed = true;
        }
    }

    /// A caller is told a result.
    pub(crate) fn tell(&mut self, result: &Completion) -> Step {
        match self.told.replace(result.clone()) {
            Some(told) if told != *result => Err(Broken(2, "two callers with two results")),
            _ => Ok(()),
        }
    }

    /// Time passes. An owner that renews does so in the middle.
    pub(crate) fn pass(&mut self, time: Duration) -> Step {
        self.now = self.now.after(time / 2);
        if let Some(owner) = self.renewing {
            if self.renew(owner)? == Ownership::Lost {
                self.heard_loss = true;
                self.renewing = self.renewing.filter(|_| self.mistake == Mistake::RenewsAfterLoss);
            }
        }
        self.now = self.now.after(time / 2);
        Ok(())
    }

    /// The store's process is killed and starts again.
    pub(crate) fn crash(&mut self) {
        self.record = self.durable.clone();
        if self.mistake == Mistake::AcknowledgedBeforeDurable {
            self.success = None;
        }
    }

    /// The retention ends, and the store deletes the record.
    pub(crate) fn forget(&mut self) {
        self.now = self.now.after(2 * LEASE + TTL);
        (self.record, self.durable, self.success, self.told, self.live_until) = (None, None, None, None, None);
        self.failed.clear();
    }
}
