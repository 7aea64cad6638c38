//! What can be told from a state: states from which all the same can follow count as one.

use std::hash::{DefaultHasher, Hash, Hasher};

use idem_core::{Completion, Record, State as RecordState, Timestamp};

use crate::phase::{Hold, Phase, Recording, Standing};
use crate::state::{Before, Call, End, Operator, Sent, State};
use crate::time::ticks;

/// Two states are one when nothing can tell them apart any more: times count by how far they are away, those that are over are
/// all alike; fences by whether they are the last one; attempts up to a few. So time has no end, and yet there are not
/// endlessly many states.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { now, ahead, back, stored, calls, sent, operator, highest, found, broken } = self;
        (ahead.signum(), back, broken).hash(hasher);
        for Sent { messages, fence } in sent {
            // One that was given before the last can be no record's any more.
            (messages, fence.map(|fence| highest.abs_diff(fence).min(1))).hash(hasher);
        }
        let clock = Seen { clock: self.clock(), back: *back, highest: *highest };
        clock.hash(hasher);
        stored.as_ref().map(|record| Fields { record, clock }).hash(hasher);
        for call in calls {
            let Call { phase, resumes, answer, fence, steps, counts } = call;
            (resumes, steps, counts).hash(hasher);
            match phase {
                Phase::Idle => 0_u8.hash(hasher),
                Phase::Claiming(claim) => (1_u8, claim.until.saturating_sub(*now)).hash(hasher),
                Phase::Granted(lease) => (2_u8, lease.valid_until.saturating_sub(*now)).hash(hasher),
                Phase::Running(Hold::Lease(lease)) => (3_u8, lease.valid_until.saturating_sub(*now)).hash(hasher),
                Phase::Recording(Recording { ending, standing, .. }) => {
                    let standing = match standing {
                        Standing::Held(_) => 0_u8,
                        Standing::Pending(_) => 1,
                        Standing::Lost { .. } => 2,
                    };
                    let left = call.claim().map(|claim| claim.until.saturating_sub(*now));
                    (4_u8, End::of(ending), standing, phase.token(), left).hash(hasher);
                }
                Phase::Done => 5_u8.hash(hasher),
                Phase::Yielding(_) | Phase::Running(Hold::Unguarded { .. }) => 6_u8.hash(hasher),
            }
            highest.abs_diff(*fence).min(1).hash(hasher);
            answer
                .map(|answer| (answer.after_unknown, answer.steps, highest.abs_diff(answer.fence).min(1)))
                .hash(hasher);
        }
        match operator {
            Operator::Idle => 0_u8.hash(hasher),
            Operator::Sent { word, fence, done, outdated } => {
                (1_u8, word, highest.abs_diff(*fence).min(1), done, outdated).hash(hasher);
            }
        }
        if let Some(found) = found {
            let Before { attempt, fingerprint, at_most_once, unknown, steps, expires_at } = &**found;
            (attempt.min(&ATTEMPTS), fingerprint, at_most_once, unknown, steps).hash(hasher);
            expires_at.map(|at| clock.to(at)).hash(hasher);
        }
    }
}

/// Attempts beyond these are all alike.
const ATTEMPTS: u32 = 2;

/// A moment on the store's clock, as far as anything can be told from it.
#[derive(Clone, Copy)]
struct Seen {
    clock: Timestamp,
    back: u8,
    highest: u64,
}

impl Seen {
    /// How far away it is. What is over is over, unless the clock may be set back.
    fn to(self, other: Timestamp) -> i64 {
        let to = other.as_micros() as i64 - self.clock.as_micros() as i64;
        to.max(-(ticks(self.back).as_micros() as i64))
    }
}

impl Hash for Seen {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for back in 0..=self.back {
            (self.clock.as_micros() > self.highest + ticks(back).as_micros() as u64).hash(hasher);
        }
    }
}

/// A record's fields, at a time.
struct Fields<'a> {
    record: &'a Record,
    clock: Seen,
}

impl Hash for Fields<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { record, clock } = self;
        match &record.state {
            RecordState::Running { lease_until, .. } => (0_u8, clock.to(*lease_until)).hash(hasher),
            RecordState::Completed(Completion::Result(payload)) => (1_u8, payload.as_bytes()).hash(hasher),
            RecordState::Completed(_) => 2_u8.hash(hasher),
            RecordState::Failed => 3_u8.hash(hasher),
            _ => 4_u8.hash(hasher),
        }
        (record.owner, record.fence.abs_diff(clock.highest).min(1), record.attempt.min(ATTEMPTS)).hash(hasher);
        record.fingerprint.map(|fingerprint| *fingerprint.as_bytes()).hash(hasher);
        (record.at_most_once, record.after_unknown).hash(hasher);
        (record.set_fingerprint, record.set_at_most_once).hash(hasher);
        (record.steps.as_bytes(), record.lease, record.ttl, clock.to(record.expires_at)).hash(hasher);
    }
}

/// A record and the time, as one number.
pub(crate) fn looks(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    let clock = Seen { clock: state.clock(), back: state.back, highest: state.highest };
    clock.hash(&mut hasher);
    state.stored.as_ref().map(|record| Fields { record, clock }).hash(&mut hasher);
    hasher.finish()
}
