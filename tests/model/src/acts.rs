//! What can happen next.

use idem_core::State as RecordState;

use crate::met::Event;
use crate::state::{token, At, End, Message, Operator, State, Turn, Why, Word};
use crate::world::World;

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
        match call.at {
            At::Idle => {
                // Of calls that are alike, the first begins first.
                let waits = (0..number).any(|other| state.calls[other].at == At::Idle && self.are_alike(other, number));
                if !waits {
                    acts.push(Act::Start(number));
                }
                return;
            }
            At::Gone => return,
            At::Claiming(why) => {
                let in_time = call.sent + u32::from(policy.lease) > state.now;
                if call.answer.is_some() && in_time {
                    acts.push(Act::Take(number));
                }
                if call.sent != state.now {
                    acts.push(Act::AskAgain(number));
                }
                if why != Why::Back {
                    acts.push(Act::Withdraw(number));
                }
            }
            At::Asking => acts.extend([Act::DidNotHappen(number), Act::Succeed(number), Act::Withdraw(number)]),
            At::Running => {
                acts.extend([Act::Succeed(number), Act::Fail(number), Act::Abandon(number)]);
                let next = Message::Step(call.steps);
                if call.steps < self.steps && !state.sent[token(number, Turn::First)].has(next) {
                    acts.push(Act::Step(number));
                }
            }
            At::Lost => acts.push(Act::ComeBack(number)),
            At::Ending(..) => {}
        }
        let renewing = matches!(call.at, At::Asking | At::Running | At::Ending(End::Completed | End::Failed, _));
        if self.renews && renewing && !state.sent[token(number, call.turn())].has(Message::Renew) {
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
            Act::Succeed(call) => state.ends(call, End::Completed),
            Act::Fail(call) => {
                state.calls[call].counts = false;
                state.ends(call, End::Failed);
            }
            Act::Abandon(call) => state.ends(call, End::Unknown),
            Act::Withdraw(call) => state.ends(call, End::Withdrawn),
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
                if state.calls[call].until > state.now {
                    self.met.meet(Event::AskedAndRan);
                    self.begins(state, call);
                } else {
                    self.met.meet(Event::AskedTooLong);
                    let now = state.now;
                    let call = &mut state.calls[call];
                    (call.at, call.sent, call.answer) = (At::Claiming(Why::Resume), now, None);
                }
            }
            Act::Crash(call) => state.calls[call].ends(),
        }
    }

    /// Drops what is so long ago that it makes no difference any more.
    fn forget(&self, state: &mut State) {
        for (call, policy) in state.calls.iter_mut().zip(&self.calls) {
            if call.sent + u32::from(policy.lease) <= state.now {
                // Too long ago to be taken for granted.
                (call.sent, call.answer) = (0, None);
            }
            if call.until <= state.now {
                call.until = 0;
            }
        }
    }

    fn asks(&self, state: &mut State, number: usize, act: Act) {
        let now = state.now;
        match (act, state.calls[number].at) {
            (Act::Take(_), At::Claiming(why)) => self.granted(state, number, why),
            (Act::ComeBack(_), _) => {
                let call = &mut state.calls[number];
                (call.at, call.sent, call.until) = (At::Claiming(Why::Back), now, 0);
                state.sent[token(number, Turn::Back)].add(Message::Claim);
            }
            (_, at) => {
                let call = &mut state.calls[number];
                (call.sent, call.answer) = (now, None);
                if at == At::Idle {
                    call.at = At::Claiming(Why::First);
                    state.sent[token(number, Turn::First)].add(Message::Claim);
                }
            }
        }
    }

    /// A call learns that it has the key. So it does nothing of the sort too late, it is asked before.
    fn granted(&self, state: &mut State, number: usize, why: Why) {
        let policy = self.policy(number);
        let call = &mut state.calls[number];
        let Some(grant) = call.answer.take() else { return };
        if why == Why::Back {
            call.at = At::Ending(End::Completed, Turn::Back);
            call.sent = 0;
            state.sent[token(number, Turn::Back)].ends(End::Completed, Some(grant.fence));
            return;
        }
        let must_ask = policy.reconciling && grant.after_unknown;
        let another = why == Why::Resume && grant.fence != call.fence;
        (call.until, call.fence, call.steps) = (call.sent + u32::from(policy.lease), grant.fence, grant.steps);
        if grant.steps > 0 {
            self.met.meet(Event::StepsReplayed);
        }
        match (must_ask, why) {
            // Another attempt went by, and what became of that one was not asked.
            (true, Why::Resume) if another => {
                call.at = At::Asking;
                state.ends(number, End::Withdrawn);
            }
            (true, Why::First) => {
                call.at = At::Asking;
                self.look(state);
            }
            _ => self.begins(state, number),
        }
    }

    /// A body begins. From here on it may have its effect.
    fn begins(&self, state: &mut State, number: usize) {
        let once = |call: usize| self.policy(call).at_most_once;
        let unknown = |(other, call): (usize, &crate::state::Call)| {
            other != number && call.counts && (once(other) || once(number))
        };
        // Where the clock is set, a lease may end before its owner can know.
        if self.clock_steps == 0 && state.calls.iter().enumerate().any(unknown) {
            state.breaks(crate::law::Law::AtMostOnce);
        }
        // A later attempt is the one whose outcome counts.
        for (other, call) in state.calls.iter_mut().enumerate() {
            call.counts = other == number;
        }
        state.calls[number].at = At::Running;
        self.look(state);
    }
}

impl State {
    /// A call's ending is sent, and sent again until it is answered.
    fn ends(&mut self, number: usize, end: End) {
        let call = &mut self.calls[number];
        let (turn, counts) = (call.turn(), call.counts);
        let fence = matches!(call.at, At::Asking | At::Running).then_some(call.fence);
        *call = crate::state::Call { at: At::Ending(end, turn), counts, ..Default::default() };
        self.sent[token(number, turn)].ends(end, fence);
    }

    fn says(&mut self, word: Word) {
        if let Some(record) = self.record() {
            let done = matches!(record.state, RecordState::Completed(_));
            self.operator = Operator::Sent { word, fence: record.fence, done, outdated: false };
        }
    }
}
