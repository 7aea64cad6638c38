//! What callers get.

use std::time::Duration;

use idem::{Completion, Fingerprint, Kind, Payload, Record, State};

use super::table::Must;
use super::{content, Asking, Call, Judge};
use crate::history::{Answer, End, Fault, Found, Refusal, Value};
use crate::path::{Kind as Store, PATIENT, TIMEOUT};
use crate::world::{Fate, What};

const MOMENT: Duration = Duration::from_millis(2);
/// What a trouble may cost: a time-out, and the pauses around it.
const TROUBLE: Duration = TIMEOUT.saturating_add(Duration::from_millis(40));

impl Judge<'_> {
    pub(super) fn over(&mut self, id: usize, answer: &Answer) {
        let at = self.at;
        let Some(call) = self.calls.get_mut(&id) else { return };
        (call.over, call.until) = (Some(answer.clone()), Some(at));
        let took = at.saturating_sub(call.began);
        let what = match self.calls.get(&id).and_then(|call| call.run).and_then(|run| self.runs.get(run)) {
            Some(run) => {
                let (end, guarded) = (run.end.clone(), run.guarded);
                self.of_a_run(id, end, guarded, answer)
            }
            None => self.without_a_run(id, answer, took),
        };
        if let Some(what) = what {
            self.wrong(format!("call {id} gets {answer:?}: {what}"));
        }
        self.in_time(id, answer, took);
        self.as_it_must(id, answer);
    }

    /// The user's outcome wins; only a recorded result goes before it.
    fn of_a_run(&self, id: usize, end: Option<End>, guarded: bool, answer: &Answer) -> Option<&'static str> {
        match (end, answer) {
            (None, Answer::Panicked) => None,
            (None, _) => Some("its body has not ended"),
            (Some(End::Ok(mine)), Answer::Value(value, kind)) if is_same(value, &mine) => match (guarded, kind) {
                (false, Kind::Unguarded) => None,
                (true, Kind::Executed) if mine.yes => self.is_mine(id, &mine),
                (true, Kind::Executed) => None,
                _ => Some("not that kind"),
            },
            (Some(End::Ok(_) | End::Err(Fault::Recorded(_))), Answer::Value(value, Kind::Replayed)) if guarded => {
                self.is_recorded(value)
            }
            (Some(End::Ok(_) | End::Err(Fault::Recorded(_))), Answer::Body(fault, kind))
                if guarded && self.is_recorded_fault(fault) && *kind != Some(Kind::Executed) =>
            {
                None
            }
            (Some(End::Err(mine)), Answer::Body(fault, _)) if *fault == mine => None,
            _ => Some("it is not its own outcome"),
        }
    }

    /// A call with a result of its own that knows of a recorded one answers with that.
    fn is_mine(&self, id: usize, mine: &Value) -> Option<&'static str> {
        let knew = self.calls.get(&id)?.knew.as_ref()?;
        match (&knew.state, &knew.fingerprint) {
            (_, print) if !same(print.as_ref(), self.print(self.calls.get(&id)?.other).as_ref()) => None,
            (State::Completed(Completion::Result(payload)), _)
                if recorded::<Value>(payload).is_none_or(|value| !is_same(&value, mine)) =>
            {
                Some("there is a recorded result, and it knew")
            }
            _ => None,
        }
    }

    fn without_a_run(&self, id: usize, answer: &Answer, took: Duration) -> Option<&'static str> {
        let call = self.calls.get(&id)?;
        match answer {
            Answer::Panicked => {
                let scripted = id == 0 && self.world.whats.iter().any(|what| matches!(what, What::AskPanic(_)));
                (!scripted).then_some("a panic that is none of the user's")
            }
            Answer::Value(value, Kind::Reconciled) => match &call.ask {
                Some(Asking::Found(Found::Some(found))) if is_same(value, found) => self.is_mine(id, found),
                _ => Some("nobody said so"),
            },
            Answer::Value(value, Kind::Replayed | Kind::Attached) => {
                self.is_recorded(value).or_else(|| self.is_others_record(id))
            }
            Answer::Value(..) => Some("its body never ran"),
            Answer::Body(fault, _) => match &call.ask {
                Some(Asking::Found(Found::Err(mine))) if mine == fault => None,
                _ if self.is_recorded_fault(fault) => self.is_others_record(id),
                _ => Some("it is nobody's error"),
            },
            Answer::Refused(refusal) => self.refused(id, *refusal, took),
        }
    }

    fn refused(&self, id: usize, refusal: Refusal, took: Duration) -> Option<&'static str> {
        let call = self.calls.get(&id)?;
        let state = self.record.as_ref().map(|record| &record.state);
        match refusal {
            Refusal::InProgress if call.waits && took < PATIENT && !self.may_give_up(id) => Some("it was to wait"),
            Refusal::InProgress if call.heard || self.has_run_beside(id) || self.heard_of_an_owner(id) => None,
            Refusal::InProgress => Some("nobody has the key"),
            Refusal::KeyReused => {
                let mine = self.print(call.other);
                let in_record = |record: &Record| !same(record.fingerprint.as_ref(), mine.as_ref());
                let beside = self
                    .calls
                    .values()
                    .any(|beside| beside.node == call.node && !same(self.print(beside.other).as_ref(), mine.as_ref()));
                let found = self.record.as_ref().is_some_and(in_record) || call.knew.as_ref().is_some_and(in_record);
                (!found && !beside).then_some("it is the same request")
            }
            Refusal::Indeterminate => {
                let once = self.path.at_most_once || self.record.as_ref().is_some_and(|record| record.at_most_once);
                (!once || self.path.asks.is_some() || !call.open).then_some("nothing is unknown, or may be tried again")
            }
            Refusal::Unreplayable => {
                let is = matches!(state, Some(State::Completed(Completion::Unreplayable)));
                (!is).then_some("it is not so")
            }
            // One answer that is lost, one verb that is not applied, is tried again.
            Refusal::Store => {
                // Nor was it there to hear the answer.
                let trouble = self.is_hard() || self.has_fate(Fate::is_grave) || self.stopped.contains(&call.node);
                (!trouble).then_some("the store answers")
            }
            Refusal::Other => Some("there is no reason for it"),
        }
    }

    /// Whether a call that was to wait may say that it does not: where the store's silence is met with openness, and where
    /// its time to ask is over.
    fn may_give_up(&self, id: usize) -> bool {
        let Some(Call { node, .. }) = self.calls.get(&id) else { return false };
        (self.path.fail_open && self.has_trouble(*node)) || (self.stopped.contains(node) && self.path.asks.is_some())
    }

    /// Whether another call of the process runs, or has not ended as far as the process knows.
    fn has_run_beside(&self, id: usize) -> bool {
        let node = self.calls.get(&id).map(|call| call.node);
        self.calls
            .iter()
            .any(|(beside, call)| *beside != id && Some(call.node) == node && (call.over.is_none() || call.landing))
            || self
                .runs
                .iter()
                .any(|run| run.call != id && Some(run.node) == node && (run.is_going() || self.is_done(run)))
    }

    /// Whether a call of its process that it may have waited for heard of an owner. "With `fail_open` … run unguarded …; but
    /// once an owner is known, `InProgress`": where the store does not answer, what that one heard is what is known.
    fn heard_of_an_owner(&self, id: usize) -> bool {
        let Some(Call { node, began, .. }) = self.calls.get(&id) else { return false };
        let waited_for = |call: &Call| call.node == *node && call.until.is_none_or(|until| *began <= until);
        let heard = self.calls.iter().any(|(beside, call)| *beside != id && call.heard && waited_for(call));
        heard && self.path.fail_open && !self.path.at_most_once && self.has_trouble(*node)
    }

    /// Whether what callers are told is what the record says.
    fn is_recorded(&self, value: &Value) -> Option<&'static str> {
        match self.record.as_ref().map(|record| &record.state) {
            Some(State::Completed(Completion::Result(payload))) => {
                let found = recorded::<Value>(payload).is_some_and(|found| is_same(&found, value));
                (!found).then_some("something else is recorded")
            }
            _ => Some("nothing is recorded"),
        }
    }

    fn is_recorded_fault(&self, fault: &Fault) -> bool {
        match self.record.as_ref().map(|record| &record.state) {
            Some(State::Completed(Completion::Result(payload))) => recorded::<Fault>(payload).as_ref() == Some(fault),
            _ => false,
        }
    }

    /// Whether the recorded result is another request's.
    fn is_others_record(&self, id: usize) -> Option<&'static str> {
        let print = self.print(self.calls.get(&id)?.other);
        let record = self.record.as_ref()?;
        (!same(record.fingerprint.as_ref(), print.as_ref())).then_some("it is another request's")
    }

    /// Answers come in the time that they take.
    fn in_time(&mut self, id: usize, answer: &Answer, took: Duration) {
        let Some(call) = self.calls.get(&id) else { return };
        let calm = self.world.whats.is_empty();
        let hurried = matches!(answer, Answer::Refused(Refusal::InProgress)) && !call.waits;
        if hurried && took > if calm { MOMENT } else { TROUBLE * 3 } && !self.stopped.contains(&call.node) {
            self.wrong(format!("call {id} does not wait, and took {took:?}"));
        }
        let at_once = matches!(answer, Answer::Refused(Refusal::KeyReused));
        if at_once && calm && took > MOMENT && self.world.second.is_none() {
            self.wrong(format!("call {id} is another request's, and hears of it after {took:?}"));
        }
        let single = matches!(self.world.whats[..], [What::Verb(..)]) && self.world.second.is_none();
        if let (0, true, Some(alone)) = (id, single, self.alone) {
            let more = if self.path.before == crate::path::Before::Running { TROUBLE * 2 } else { TROUBLE };
            if took > alone + more {
                self.wrong(format!("call 0 took {took:?}, and takes {alone:?} when nothing happens"));
            }
        }
        // Whoever comes while a call of its process runs, does not ask the store.
        let (first, second) = (self.calls.get(&0), self.calls.get(&1));
        if let (1, true, Some(first), Some(second)) = (id, calm, first, second) {
            let done = first.run.and_then(|run| self.runs.get(run)).is_some_and(|run| self.is_done(run));
            let attached = matches!(answer, Answer::Value(_, Kind::Attached));
            let peeks = self.path.store == Store::Peeking;
            if second.node == first.node && second.waits && done && attached && second.claims > 0 && !peeks {
                self.wrong("a call that waits in its process asks the store");
            }
        }
    }

    /// A call that is alone comes to what the first table says, exactly.
    fn as_it_must(&mut self, id: usize, answer: &Answer) {
        let Some(must) = self.calls.get(&id).and_then(|call| call.must.clone()) else { return };
        let Some(call) = self.calls.get(&id) else { return };
        // Whoever waits for one that is not heard of again goes on by what that one became.
        let must = match must {
            Must::Wait if !call.waits => Must::InProgress,
            Must::Wait if self.path.asks.is_some() => Must::Ask,
            Must::Wait if self.path.at_most_once => Must::Indeterminate,
            Must::Wait => Must::Run,
            must => must,
        };
        let ran = call.run.is_some();
        let is = match (&must, answer) {
            (Must::Run, Answer::Value(_, Kind::Executed) | Answer::Body(..)) => ran,
            (Must::Replay, Answer::Value(_, Kind::Replayed) | Answer::Body(Fault::Recorded(_), _)) => !ran,
            (Must::InProgress, Answer::Refused(Refusal::InProgress))
            | (Must::KeyReused, Answer::Refused(Refusal::KeyReused))
            | (Must::Unreplayable, Answer::Refused(Refusal::Unreplayable))
            | (Must::Indeterminate, Answer::Refused(Refusal::Indeterminate))
            | (Must::Ask, Answer::Value(_, Kind::Reconciled | Kind::Executed)) => true,
            (Must::Ask, Answer::Body(Fault::Asking(_), _)) => self.asking_may_fail(),
            _ => false,
        };
        if !is {
            self.wrong(format!("call {id} must come to {must:?}, and gets {answer:?}"));
        }
    }
}

pub(super) fn same(one: Option<&Fingerprint>, other: Option<&Fingerprint>) -> bool {
    one.is_none() || other.is_none() || one == other
}

fn recorded<T: serde::de::DeserializeOwned>(payload: &Payload) -> Option<T> {
    serde_json::from_slice(content(payload)).ok()
}

/// The same to the last bit.
fn is_same(one: &Value, other: &Value) -> bool {
    (one.run, one.yes, one.exact.to_bits()) == (other.run, other.yes, other.exact.to_bits())
}
