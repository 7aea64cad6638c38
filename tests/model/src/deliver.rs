//! A message arrives at the store, and its answer is on the way.

use idem_core::{
    transition, Change as Written, Claim, Claimed, Ending, Finish, Ownership, Payload, Renew, SaveStep, Settle,
    Settled, State as RecordState, Step, Verb,
};

use crate::judge::{is_unknown, Change, Row};
use crate::law::Law;
use crate::met::Event;
use crate::phase::Phase;
use crate::probe::Probe;
use crate::seen::looks;
use crate::state::{owner, result, settle, token, Before, End, Granted, Message, Operator, State, Turn, Word};
use crate::world::{Mistake, World};

impl World {
    pub(crate) fn deliver(&self, state: &mut State, token: usize, message: Message) {
        let call = token / 2;
        let turn = if token.is_multiple_of(2) { Turn::First } else { Turn::Back };
        let who = owner(token);
        match message {
            Message::Claim => self.claimed(state, call, turn),
            Message::Renew => {
                let (change, held) = self.apply(state, Renew::new(who));
                state.judge(|_| change.as_ref().renew(who, held));
                let lapsed = change.stored.as_ref().is_some_and(|record| is_unknown(record, change.clock));
                if held == Ownership::Held && lapsed {
                    self.met.meet(Event::LateRenewal);
                }
                // An answer that comes later, or never, leaves it with less.
                let now = state.now;
                let caller = &mut state.calls[call];
                let is_held = held == Ownership::Held || self.makes(Mistake::LostLeaseRenewed);
                if is_held && turn == Turn::First && caller.believes_until().is_some() {
                    caller.phase.set_valid_until(now + u32::from(self.policy(call).lease));
                }
            }
            Message::Finish(end) => self.finished(state, call, turn, end),
            Message::Step(index) => {
                let step = Step::new("step", Payload::from_bytes([index]));
                let save = SaveStep::new(who, u32::from(index), step);
                let (change, held) = self.apply(state, &save);
                state.judge(|_| change.as_ref().save(&save, held));
                if held == Ownership::Lost {
                    self.met.meet(Event::StepLost);
                }
                let caller = &mut state.calls[call];
                if held == Ownership::Held && matches!(caller.phase, Phase::Running(_)) && caller.steps == index {
                    caller.steps = index + 1;
                }
            }
        }
        self.look(state);
    }

    fn claimed(&self, state: &mut State, call: usize, turn: Turn) {
        let claim = self.policy(call).claim(owner(token(call, turn)), turn == Turn::Back);
        let before = before(state, &claim);
        let (change, answer) = self.apply(state, &claim);
        let judged = change.as_ref().claim(&claim, &answer);
        state.judge(|_| judged.map(|_| ()));
        let Ok(row) = judged else { return };
        let ghost = state.is_ghost(&claim);
        self.meet_claim(state, &change, &claim, row, ghost);
        let Claimed::Granted(grant) = answer else { return };
        if row != Row::Again {
            state.found = Some(Box::new(before));
            state.highest = grant.fence;
            state.operator.outdates();
        }
        if state.calls[call].claim().is_some_and(|waits| waits.owner == claim.owner) {
            let (after_unknown, fence) = (grant.after_unknown, grant.fence);
            state.calls[call].answer = Some(Granted { after_unknown, fence, steps: grant.steps.count() as u8 });
        }
    }

    fn finished(&self, state: &mut State, call: usize, turn: Turn, end: End) {
        let token = token(call, turn);
        let finish = Finish::new(owner(token), ending(end, call)).fence(state.sent[token].fence);
        let before = state.found.clone();
        let (change, held) = self.apply(state, &finish);
        state.judge(|_| change.as_ref().finish(&finish, held, before.as_deref()));
        let found = change.stored.as_ref();
        if held == Ownership::Held && !change.is_none() {
            let late = found.is_some_and(|record| is_unknown(record, change.clock));
            let events = [
                (Event::LateSuccess, end == End::Completed && late),
                (Event::CameBack, end == End::Completed && turn == Turn::Back),
                (Event::WithdrawnAfterUnknown, end == End::Withdrawn && before.is_some_and(|before| before.unknown)),
            ];
            self.meet_all(events);
            if end == End::Completed {
                state.operator.outdates();
            }
        }
        let (now, caller) = (state.now, &mut state.calls[call]);
        let names_its_run = state.sent[token].fence.is_some();
        if held == Ownership::Held || caller.ending() != Some((end, turn)) {
            return;
        }
        if end == End::Completed && names_its_run {
            // A success is sent once more, whatever its token was granted since.
            state.sent[token].fence = None;
        } else {
            if change.stored.is_some() {
                self.met.meet(Event::Lost);
            }
            // Where it makes no difference, the answer may as well get lost.
            if end == End::Completed && turn == Turn::First && self.ways_back {
                if let Phase::Recording(recording) = &mut caller.phase {
                    recording.answered(held, now, || owner(self::token(call, Turn::Back)));
                }
            }
        }
    }

    pub(crate) fn settled(&self, state: &mut State, word: Word, fence: u64, done: bool, outdated: bool) {
        let settle: Settle = settle(word, fence, done);
        let (change, answer) = self.apply(state, settle.clone());
        state.judge(|_| change.as_ref().settle(&settle, answer, outdated));
        match answer {
            Settled::Applied if !change.is_none() => {
                self.met.meet(Event::Settled);
                state.highest = state.stored.as_ref().map_or(0, |record| record.fence);
                if word != Word::Completed {
                    // It is said to have had no effect.
                    state.calls.iter_mut().for_each(|call| call.counts = false);
                }
            }
            Settled::Running { .. } => self.met.meet(Event::SettleRefused),
            Settled::Changed => self.met.meet(Event::SettleOutdated),
            _ => {}
        }
        self.look(state);
    }

    /// What `transition` makes of the record, sent twice.
    fn apply<V: Verb + Clone>(&self, state: &mut State, verb: V) -> (Owned, V::Answer)
    where
        V::Answer: PartialEq,
    {
        let clock = state.clock();
        let stored = state.stored.take();
        let (change, answer) = transition(stored.as_ref(), verb.clone(), clock);
        let after = match change {
            Written::Write(record) => Some(record),
            Written::Keep => stored.clone(),
        };
        let (again, same) = transition(after.as_ref(), verb, clock);
        let changed = matches!(&again, Written::Write(record) if Some(record) != after.as_ref());
        state.stored = after.clone();
        if changed || same != answer {
            state.breaks(Law::Resent);
        }
        (Owned { stored, after, clock, highest: state.highest }, answer)
    }

    /// Looks at what is stored now, if nobody has seen it before.
    pub(crate) fn look(&self, state: &mut State) {
        state.settle_down();
        let is_new = self.looked_at.lock().is_ok_and(|mut looked_at| looked_at.insert(looks(state)));
        if is_new {
            let probe = Probe { stored: state.stored.as_ref(), clock: state.clock(), highest: state.highest };
            if let Err(law) = probe.all() {
                state.breaks(law);
            }
        }
        self.believers(state);
    }

    /// Who believes to have the key has it, and nobody else does. Where the clock is set, nobody can know.
    fn believers(&self, state: &mut State) {
        if self.clock_steps > 0 {
            return;
        }
        let mut believers = 0;
        for (number, call) in state.calls.iter().enumerate() {
            let Some(until) = call.believes_until().filter(|until| *until > state.now) else { continue };
            believers += 1;
            let until = crate::time::at(until, 0);
            let has_it = state.record().is_some_and(|record| {
                let live = matches!(record.state, RecordState::Running { lease_until, .. } if lease_until >= until);
                record.owner == owner(token(number, Turn::First)) && live
            });
            if !has_it {
                state.broken.get_or_insert(Law::Belief);
            }
        }
        if believers > 1 {
            state.breaks(Law::OneBeliever);
        }
    }

    fn meet_claim(&self, state: &State, change: &Owned, claim: &Claim, row: Row, ghost: bool) {
        let grants = matches!(row, Row::Afresh | Row::Next { .. });
        let back = claim.owner.as_bytes()[0] % 2 == 1;
        let mine = change.stored.as_ref().is_some_and(|record| record.owner == claim.owner);
        self.meet_all([
            (Event::TakenOver, row == Row::Next { after_unknown: true }),
            (Event::NextAttempt, row == Row::Next { after_unknown: false }),
            (Event::Indeterminate, row == Row::Indeterminate && !mine),
            (Event::LateClaim, row == Row::Indeterminate && mine),
            (Event::Reused, row == Row::Reused),
            (Event::Replayed, row == Row::Replay),
            (Event::Waits, row == Row::Wait),
            (Event::CameBackTooLate, row == Row::Replay && back),
            (Event::GhostClaim, grants && ghost && state.highest > 0),
            (Event::GrantedAfterDeletion, grants && change.stored.is_none() && change.highest > 0),
        ]);
    }

    pub(crate) fn meet_all(&self, events: impl IntoIterator<Item = (Event, bool)>) {
        events.into_iter().filter(|(_, met)| *met).for_each(|(event, _)| self.met.meet(event));
    }
}

/// What there was before a verb, and after.
#[derive(Debug)]
struct Owned {
    stored: Option<idem_core::Record>,
    after: Option<idem_core::Record>,
    clock: idem_core::Timestamp,
    highest: u64,
}

impl Owned {
    fn as_ref(&self) -> Change<'_> {
        let Self { stored, after, clock, highest } = self;
        Change { stored: stored.as_ref(), after: after.as_ref(), clock: *clock, highest: *highest }
    }

    fn is_none(&self) -> bool {
        self.stored == self.after
    }
}

impl State {
    fn judge(&mut self, judge: impl FnOnce(&Self) -> Result<(), Law>) {
        if let Err(law) = judge(self) {
            self.breaks(law);
        }
    }

    /// Whether a claim's owner has long gone on, or is gone: nobody will hear that it was granted.
    fn is_ghost(&self, claim: &Claim) -> bool {
        !self.calls.iter().enumerate().any(|(number, call)| {
            claim.owner == owner(token(number, call.turn()))
                && (call.claim().is_some() || matches!(call.ending(), Some((End::Withdrawn, _))))
        })
    }

    /// Drops what can make no difference any more.
    fn settle_down(&mut self) {
        if self.record().is_none() {
            // Within the retention, that is: nothing is known any more of what went before.
            self.calls.iter_mut().for_each(|call| call.counts = false);
        }
        let running = |record: &&idem_core::Record| matches!(record.state, RecordState::Running { .. });
        if self.stored.as_ref().filter(running).is_none_or(|record| self.back == 0 && record.is_expired(self.clock())) {
            self.found = None;
        }
    }
}

impl Operator {
    fn outdates(&mut self) {
        if let Self::Sent { outdated, .. } = self {
            *outdated = true;
        }
    }
}

fn ending(end: End, call: usize) -> Ending {
    match end {
        End::Completed => Ending::Completed(result(call)),
        End::Failed => Ending::Failed,
        End::Unknown => Ending::Unknown,
        End::Withdrawn => Ending::Withdrawn,
    }
}

/// What a withdrawn claim is to leave.
fn before(state: &State, claim: &Claim) -> Before {
    let clock = state.clock();
    let row = crate::judge::row(state.record(), claim, clock);
    let earlier = state.record().filter(|_| matches!(row, Row::Next { .. }));
    Before {
        attempt: earlier.map_or(0, |record| record.attempt),
        fingerprint: earlier.and_then(|record| record.fingerprint).map(|fingerprint| *fingerprint.as_bytes()),
        at_most_once: earlier.is_some_and(|record| record.at_most_once),
        unknown: earlier.is_some_and(|record| is_unknown(record, clock)),
        steps: earlier.map_or(0, |record| record.steps.count()),
        expires_at: earlier.map(|record| record.expires_at),
    }
}
