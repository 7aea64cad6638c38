//! What a key's record may be, given what was answered so far: one record whose times are known from … to.

use std::time::Duration;

use idem_core::{Change, Claimed, Record, Settled, State, Timestamp};

use super::note::{Answer, Op};

/// A record of which all but the times is known; each time, and the fence, lies between those of two records.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct World {
    early: Option<Record>,
    late: Option<Record>,
    /// No write can have been before.
    now: u64,
}

/// From when to when something may have been.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl World {
    /// What it may be after `op`, applied next and within the window; nothing if it cannot have answered so. Verbs that write
    /// nothing do not move the time on: then it never matters how early they are put. What an answer says of times may be of
    /// any moment within the whole of the verb: a store may read the clock a little after it read the record.
    pub(super) fn after(&self, op: &Op, window: Window, whole: Window) -> Vec<Self> {
        let window = Window { from: window.from.max(self.now), ..window };
        let moments = self.moments(op, window);
        let corners = self.corners();
        let mut kept = false;
        let mut written: Vec<Self> = Vec::new();
        for record in &corners {
            for &now in &moments {
                let (change, answer) = op.asked.apply(record.as_ref(), now);
                if !op.answer.as_ref().is_none_or(|seen| self.fits(op, seen, &answer, record.as_ref(), now)) {
                    continue;
                }
                match change {
                    Change::Keep => kept = true,
                    Change::Write(record) => match written.iter_mut().find(|world| world.is_like(&record)) {
                        Some(world) => world.widen(&record, now),
                        None => written.push(Self { early: Some(record.clone()), late: Some(record), now }),
                    },
                }
            }
        }
        let Some(seen) = &op.answer else {
            // A verb that changed nothing and was not answered need not have been.
            return written;
        };
        let kept = kept.then(|| self.clone());
        kept.into_iter().chain(written).filter_map(|world| world.told(seen, whole)).collect()
    }

    /// The records to try: between them lie all that it may be.
    fn corners(&self) -> Vec<Option<Record>> {
        let (Some(early), Some(late)) = (&self.early, &self.late) else {
            return vec![None];
        };
        if early == late {
            return vec![Some(early.clone())];
        }
        let mixed = |one: &Record, other: &Record| {
            let mut record = one.clone();
            record.expires_at = other.expires_at;
            record
        };
        [early.clone(), late.clone(), mixed(early, late), mixed(late, early)].map(Some).to_vec()
    }

    /// The moments to try: the first and the last, what the fence says, and where anything ends.
    fn moments(&self, op: &Op, window: Window) -> Vec<u64> {
        let mut moments = vec![window.from, window.to];
        if let Some(Answer::Claimed(Claimed::Granted(grant))) = &op.answer {
            moments.push(grant.fence);
        }
        for record in [&self.early, &self.late].into_iter().flatten() {
            let lease = match record.state {
                State::Running { lease_until, .. } => Some(lease_until),
                _ => None,
            };
            for end in [Some(record.expires_at), lease].into_iter().flatten() {
                moments.extend([end.as_micros().saturating_sub(1), end.as_micros()]);
            }
        }
        moments.retain(|moment| (window.from..=window.to).contains(moment));
        moments.sort_unstable();
        moments.dedup();
        moments
    }

    /// Whether an answer is the one that was seen, but for its times.
    fn fits(&self, op: &Op, seen: &Answer, answer: &Answer, record: Option<&Record>, now: u64) -> bool {
        match (seen, answer) {
            (Answer::Claimed(seen), Answer::Claimed(answer)) => match (seen, answer) {
                (Claimed::Granted(seen), Claimed::Granted(answer)) => {
                    let again = record.is_some_and(|record| {
                        Some(record.owner) == op.asked.owner() && matches!(record.state, State::Running { .. })
                    });
                    let [lowest, highest] = self.fences();
                    let fence = if again {
                        (lowest..=highest).contains(&seen.fence)
                    } else {
                        // A new grant's is the time, unless the one before was as high.
                        let follows = now <= seen.fence && (lowest..=highest).contains(&seen.fence.saturating_sub(1));
                        now == seen.fence && lowest < seen.fence || follows
                    };
                    let mut answer = answer.clone();
                    answer.fence = seen.fence;
                    fence && *seen == answer
                }
                (Claimed::Completed(seen), Claimed::Completed(answer)) => {
                    (seen.fingerprint, &seen.completion) == (answer.fingerprint, &answer.completion)
                }
                (Claimed::Running { fingerprint: seen, .. }, Claimed::Running { fingerprint: answer, .. }) => {
                    seen == answer
                }
                _ => seen == answer,
            },
            (Answer::Settled(Settled::Running { .. }), Answer::Settled(Settled::Running { .. })) => true,
            (Answer::Loaded(Some(seen)), Answer::Loaded(Some(answer))) => timeless(seen) == timeless(answer),
            _ => seen == answer,
        }
    }

    fn fences(&self) -> [u64; 2] {
        [&self.early, &self.late].map(|record| record.as_ref().map_or(0, |record| record.fence))
    }

    /// What the answer's times and fence say of the record's; `None` if they contradict what is known.
    fn told(mut self, seen: &Answer, window: Window) -> Option<Self> {
        let end = |left: Duration| window.moved(left);
        match seen {
            Answer::Claimed(Claimed::Granted(grant)) => {
                self.narrow(|record| &mut record.fence, grant.fence, grant.fence)
            }
            Answer::Claimed(Claimed::Completed(done)) => {
                let (from, to) = end(done.ttl_left);
                self.narrow_time(|record| Some(&mut record.expires_at), from, to)
            }
            Answer::Claimed(Claimed::Running { lease_left, age, .. }) => {
                let (from, to) = end(*lease_left);
                let began = |moment: u64| moment.saturating_sub(micros(*age));
                // An age of nothing may be that of a clock set back.
                let since = if age.is_zero() { u64::MAX } else { began(window.to) };
                self.narrow_time(lease_until, from, to) && self.narrow_time(since_when, began(window.from), since)
            }
            Answer::Settled(Settled::Running { lease_left, .. }) => {
                let (from, to) = end(*lease_left);
                self.narrow_time(lease_until, from, to)
            }
            Answer::Loaded(Some(record)) => {
                let mut seen = (**record).clone();
                let times = [since_when, lease_until, expires];
                let exact = |world: &mut Self, time: fn(&mut Record) -> Option<&mut Timestamp>, seen: &mut Record| {
                    time(seen).is_none_or(|at| world.narrow_time(time, at.as_micros(), at.as_micros()))
                };
                times.into_iter().all(|time| exact(&mut self, time, &mut seen))
                    && self.narrow(|record| &mut record.fence, seen.fence, seen.fence)
            }
            _ => true,
        }
        .then_some(self)
    }

    fn narrow(&mut self, of: fn(&mut Record) -> &mut u64, from: u64, to: u64) -> bool {
        let (Some(early), Some(late)) = (&mut self.early, &mut self.late) else { return true };
        let (early, late) = (of(early), of(late));
        (*early, *late) = ((*early).max(from), (*late).min(to));
        *early <= *late
    }

    fn narrow_time(&mut self, of: fn(&mut Record) -> Option<&mut Timestamp>, from: u64, to: u64) -> bool {
        let (Some(early), Some(late)) = (&mut self.early, &mut self.late) else { return true };
        let (Some(early), Some(late)) = (of(early), of(late)) else { return true };
        *early = (*early).max(Timestamp::from_micros(from));
        *late = (*late).min(Timestamp::from_micros(to));
        *early <= *late
    }

    fn is_like(&self, record: &Record) -> bool {
        self.early.as_ref().is_some_and(|known| timeless(known) == timeless(record))
    }

    fn widen(&mut self, record: &Record, now: u64) {
        self.now = self.now.min(now);
        let (Some(early), Some(late)) = (&mut self.early, &mut self.late) else { return };
        let mut record = record.clone();
        (early.fence, late.fence) = (early.fence.min(record.fence), late.fence.max(record.fence));
        for time in [since_when, lease_until, expires] {
            if let (Some(early), Some(late), Some(seen)) = (time(early), time(late), time(&mut record)) {
                (*early, *late) = ((*early).min(*seen), (*late).max(*seen));
            }
        }
    }
}

impl Window {
    fn moved(self, by: Duration) -> (u64, u64) {
        (self.from.saturating_add(micros(by)), self.to.saturating_add(micros(by)))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn since_when(record: &mut Record) -> Option<&mut Timestamp> {
    match &mut record.state {
        State::Running { since, .. } => Some(since),
        _ => None,
    }
}

fn lease_until(record: &mut Record) -> Option<&mut Timestamp> {
    match &mut record.state {
        State::Running { lease_until, .. } => Some(lease_until),
        _ => None,
    }
}

fn expires(record: &mut Record) -> Option<&mut Timestamp> {
    Some(&mut record.expires_at)
}

/// A record without its times and its fence.
fn timeless(record: &Record) -> Record {
    let mut record = record.clone();
    record.fence = 0;
    for time in [since_when, lease_until, expires] {
        if let Some(time) = time(&mut record) {
            *time = Timestamp::from_micros(0);
        }
    }
    record
}
