//! What can happen next.

use idem_core::{Ending, State as RecordState};

use crate::met::Event;
use crate::phase::{Lease, Pending, Phase, Recording, Standing};
use crate::state::{owner, result, token, Call, End, Granted, Message, Operator, State, Turn, Word};
use crate::world::{Mistake, World};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Time goes on by a tick.
    Tick,
    /// The store's clock is set back.
    StepBack,
    /// The store's clock is set forward.
    StepForward,
    /// A call asks for the key.
    Start(usize),
    /// A message arrives that was sent with a token: for the first time or once more, now or much later.
    Deliver(usize, usize),
    /// A call hears that the key is its own, and begins.
    Take(usize),
    /// A call has heard nothing, or was told to wait, or heard it too late: it asks again, with the same token.
    AskAgain(usize),
    /// A call's caller has had enough before its body began.
    Withdraw(usize),
    /// A body is done.
    Succeed(usize),
    /// A body fails, and is known to have had no effect.
    Fail(usize),
    /// A body panics, is dropped, or fails without knowing.
    Abandon(usize),
    /// A body has finished a step.
    Step(usize),
    /// A call renews its lease.
    Renew(usize),
    /// An earlier attempt did not happen.
    DidNotHappen(usize),
    /// A call that lost its lease claims once more.
    ComeBack(usize),
    /// A call's process is killed; or has nothing to do any more.
    Crash(usize),
    /// The store deletes a record whose retention is over.
    Delete,
    /// An operator looks at the record and says: it is done.
    Resolve,
    /// An operator looks at the record and says: it may run again.
    Retry,
    /// An operator looks at the record and says: forget it.
    Forget,
    /// The operator's word arrives.
    Settle,
}

impl World {
    pub(crate) fn can(&self, state: &State, acts: &mut Vec<Act>) {
        if state.broken.is_some() {
            return;
        }
        acts.push(Act::Tick);
        if state.back > 0 {
            acts.extend([Act::StepBack, Act::StepForward]);
        }
        for call in 0..self.calls.len() {
            self.call_can(state, call, acts);
        }
        for (token, sent) in state.sent.iter().enumerate() {
            acts.extend(sent.each().map(|message| {
                let number = message.number();
                Act::Deliver(token, number)
            }));
        }
        if state.stored.is_some() && state.record().is_none() {
            acts.push(Act::Delete);
        }
        match state.operator {
            Operator::Idle if self.operator && state.record().is_some() => {
                acts.extend([Act::Resolve, Act::Retry, Act::Forget]);
            }
            Operator::Sent { .. } => acts.push(Act::Settle),
            Operator::Idle => {}
        }
    }

    fn call_can(&self, state: &State, number: usize, acts: &mut Vec<Act>) {
        let (call, policy) = (&state.calls[number], self.policy(number));
        if let Some(claim) = call.claim() {
            if call.answer.is_some() && claim.until > state.now {
                acts.push(Act::Take(number));
            }
            if claim.until != state.now + u32::from(policy.lease) {
                acts.push(Act::AskAgain(number));
            }
        }
        match &call.phase {
            Phase::Idle => {
                // Of calls that are alike, the first begins first.
                let idle = |other: usize| state.calls[other].phase == Phase::Idle && self.are_alike(other, number);
                if !(0..number).any(idle) {
                    acts.push(Act::Start(number));
                }
                return;
            }
            Phase::Done => return,
            Phase::Claiming(_) => acts.push(Act::Withdraw(number)),
            Phase::Granted(_) => acts.extend([Act::DidNotHappen(number), Act::Succeed(number), Act::Withdraw(number)]),
            Phase::Running(_) => {
                acts.extend([Act::Succeed(number), Act::Fail(number), Act::Abandon(number)]);
                let next = Message::Step(call.steps);
                if call.steps < self.steps && !state.sent[token(number, Turn::First)].has(next) {
                    acts.push(Act::Step(number));
                }
            }
            Phase::Recording(Recording { standing: Standing::Lost { .. }, .. }) => acts.push(Act::ComeBack(number)),
            Phase::Recording(_) | Phase::Yielding(_) => {}
        }
        if self.renews && call.phase.is_renewed() && !state.sent[token(number, call.turn())].has(Message::Renew) {
            acts.push(Act::Renew(number));
        }
        acts.push(Act::Crash(number));
    }

    pub(crate) fn happens(&self, state: &mut State, act: Act) {
        match act {
            Act::Tick => {
                state.now += 1;
                self.forget(state);
                self.look(state);
            }
            Act::StepBack => {
                (state.ahead, state.back) = (-i64::from(state.back), 0);
                self.look(state);
            }
            Act::StepForward => {
                (state.ahead, state.back) = (i64::from(state.back), 0);
                self.look(state);
            }
            Act::Deliver(token, message) => self.deliver(state, token, Message::ALL[message]),
            Act::Delete => {
                state.stored = None;
                self.look(state);
            }
            Act::Resolve => state.says(Word::Completed),
            Act::Retry => state.says(Word::Failed),
            Act::Forget => state.says(Word::Forgotten),
            Act::Settle => {
                if let Operator::Sent { word, fence, done, outdated } = state.operator {
                    self.settled(state, word, fence, done, outdated);
                }
            }
            Act::Start(call) | Act::AskAgain(call) | Act::Take(call) | Act::ComeBack(call) => {
                self.asks(state, call, act);
            }
            Act::Succeed(call) => self.ends(state, call, Some(Ending::Completed(result(call)))),
            Act::Fail(call) => {
                state.calls[call].counts = false;
                self.ends(state, call, Some(Ending::Failed));
            }
            Act::Abandon(call) if self.makes(Mistake::DropWithdraws) => {
                self.ends(state, call, Some(Ending::Withdrawn));
            }
            Act::Abandon(call) if self.makes(Mistake::UnknownIsFailed) => self.ends(state, call, Some(Ending::Failed)),
            Act::Abandon(call) => self.ends(state, call, Some(Ending::Unknown)),
            Act::Withdraw(call) => self.ends(state, call, None),
            Act::Step(call) => {
                let step = Message::Step(state.calls[call].steps);
                state.sent[token(call, Turn::First)].add(step);
            }
            Act::Renew(call) => {
                let turn = state.calls[call].turn();
                state.sent[token(call, turn)].add(Message::Renew);
            }
            Act::DidNotHappen(call) => {
                // What went before is settled.
                state.calls.iter_mut().for_each(|other| other.counts = false);
                if state.calls[call].believes_until().is_some_and(|until| until > state.now) {
                    self.met.meet(Event::AskedAndRan);
                    self.begins(state, call);
                } else {
                    self.met.meet(Event::AskedTooLong);
                    state.calls[call].resumes = true;
                    self.sends_claim(state, call, Turn::First);
                }
            }
            Act::Crash(call) => state.calls[call].ends(),
        }
    }

    /// Drops answers that are heard too late to be believed.
    fn forget(&self, state: &mut State) {
        for call in &mut state.calls {
            if call.claim().is_none_or(|claim| claim.until <= state.now) {
                call.answer = None;
            }
        }
    }

    fn asks(&self, state: &mut State, number: usize, act: Act) {
        match act {
            Act::Take(_) => self.granted(state, number),
            Act::ComeBack(_) => {
                self.sends_claim(state, number, Turn::Back);
                state.sent[token(number, Turn::Back)].add(Message::Claim);
            }
            Act::Start(_) => {
                self.sends_claim(state, number, Turn::First);
                state.sent[token(number, Turn::First)].add(Message::Claim);
            }
            _ => {
                let turn = state.calls[number].turn();
                self.sends_claim(state, number, turn);
            }
        }
    }

    fn sends_claim(&self, state: &mut State, number: usize, turn: Turn) {
        let until = state.now + u32::from(self.policy(number).lease);
        let call = &mut state.calls[number];
        call.answer = None;
        call.phase.claim_sent(Pending { owner: owner(token(number, turn)), until });
    }

    /// A call learns that it has the key. So it does nothing of the sort too late, it is asked before.
    fn granted(&self, state: &mut State, number: usize) {
        let policy = self.policy(number);
        let call = &mut state.calls[number];
        let (Some(grant), Some(claim)) = (call.answer.take(), call.claim()) else { return };
        let Granted { after_unknown, fence, steps } = grant;
        let valid_until =
            if self.makes(Mistake::LeaseFromTheAnswer) { state.now + u32::from(policy.lease) } else { claim.until };
        call.phase.claim_granted(Lease { owner: claim.owner, fence, valid_until, after_unknown });
        if let Phase::Recording(Recording { ending, standing, .. }) = &call.phase {
            let (end, fence) = (End::of(ending), standing.fence());
            state.sent[token(number, Turn::Back)].ends(end, fence);
            return;
        }
        let must_ask = policy.reconciling && after_unknown;
        let (resumes, another) = (std::mem::take(&mut call.resumes), fence != call.fence);
        (call.fence, call.steps) = (fence, steps);
        if steps > 0 {
            self.met.meet(Event::StepsReplayed);
        }
        match (must_ask, resumes) {
            // Another attempt went by, and what became of that one was not asked.
            (true, true) if another => self.ends(state, number, None),
            (true, false) => self.look(state),
            _ => self.begins(state, number),
        }
    }

    /// A body begins. From here on it may have its effect.
    fn begins(&self, state: &mut State, number: usize) {
        let once = |call: usize| self.policy(call).at_most_once;
        let unknown = |(other, call): (usize, &Call)| other != number && call.counts && (once(other) || once(number));
        // Where the clock is set, a lease may end before its owner can know.
        if self.clock_steps == 0 && state.calls.iter().enumerate().any(unknown) {
            state.breaks(crate::law::Law::AtMostOnce);
        }
        // A later attempt is the one whose outcome counts.
        for (other, call) in state.calls.iter_mut().enumerate() {
            call.counts = other == number;
        }
        state.calls[number].phase.body_started();
        self.look(state);
    }

    /// A body has ended, or (without an ending) a call is dropped before its body began. What the phase says is sent until it is
    /// answered.
    fn ends(&self, state: &mut State, number: usize, ending: Option<Ending>) {
        let call = &mut state.calls[number];
        match ending {
            Some(ending) => call.phase.body_ended(ending),
            None => drop(call.phase.dropped()),
        }
        *call = Call { phase: call.phase.clone(), counts: call.counts, ..Default::default() };
        if let Phase::Recording(Recording { ending, standing, .. }) = &call.phase {
            let (end, fence, turn) = (End::of(ending), standing.fence(), call.turn());
            state.sent[token(number, turn)].ends(end, fence);
        }
    }
}

impl State {
    fn says(&mut self, word: Word) {
        if let Some(record) = self.record() {
            let done = matches!(record.state, RecordState::Completed(_));
            self.operator = Operator::Sent { word, fence: record.fence, done, outdated: false };
        }
    }
}
