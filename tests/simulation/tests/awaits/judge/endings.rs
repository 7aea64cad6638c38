//! What is sent to the store, and what becomes of it there: "How a run ends", one owner, fenced.

use idem::{Claim, Completion, Ending, Payload, Record, State};

use super::{content, Asking, Judge, Run};
use crate::history::{Ask, End, Fault, Found};
use crate::path::{LEASE, TTL};
use crate::world::Fate;

/// Whether a payload is this result.
fn is_of(payload: &Payload, result: &impl serde::Serialize) -> bool {
    serde_json::to_vec(result).is_ok_and(|expected| expected == content(payload))
}

impl Judge<'_> {
    pub(super) fn claims(&mut self, id: usize, verb: usize, claim: &Claim) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.claims += 1;
        let last = call.claim.replace((verb, *claim, false));
        let (other, node) = (call.other, call.node);
        let (run, ask) = (call.run, call.ask.clone());
        // The answer to one that was sent again may have been lost; it is still the same claim.
        if last.is_some_and(|(_, last, answered)| !answered && last.owner != claim.owner) {
            self.wrong(format!("call {id} sends a claim again, under another token"));
        }
        let done = run.and_then(|run| self.runs.get(run)).map(|run| self.is_done(run));
        if done == Some(false) {
            self.wrong(format!("call {id} claims the key again and has nothing to record"));
        }
        let knows = done.is_some() || matches!(ask, Some(Asking::Found(Found::Some(_))));
        if claim.fingerprint != self.print(other)
            || claim.at_most_once != self.path.at_most_once
            || claim.reconciling != (self.path.asks.is_some() || knows)
            || (claim.lease, claim.ttl) != (LEASE, TTL)
        {
            self.wrong(format!("call {id} claims something else than it was told to"));
        }
        if self.crashed.contains(&node) {
            self.wrong("a dead process claims");
        }
    }

    pub(super) fn renews(&mut self, id: usize) {
        let Some(call) = self.calls.get(&id) else { return };
        let is_over = match call.run.and_then(|run| self.runs.get(run)) {
            Some(run) => run.gone,
            // "Dropped once the body has ended: the ending lands in the background", and what `reconcile` found is recorded
            // like a body's success: until it lands the key is renewed.
            None if matches!(call.ask, Some(Asking::Found(Found::Some(_)))) => false,
            None => (call.left && !self.path.detached) || call.ask == Some(Asking::Gone),
        };
        if is_over {
            self.wrong(format!("call {id} is over, and renews its key"));
        }
    }

    /// An ending is sent: it must be the one that the run's end calls for.
    pub(super) fn ends(&mut self, id: usize, ending: &Ending) {
        let Some(call) = self.calls.get(&id) else { return };
        let is_unreplayable = *ending == Ending::Completed(Completion::Unreplayable);
        let run = call.run.and_then(|run| self.runs.get(run));
        let is_right = match (run, ending) {
            (Some(run), _) if run.is_going() => false,
            (Some(run), Ending::Completed(Completion::Result(payload))) => match &run.end {
                Some(End::Ok(value)) => value.yes && is_of(payload, value),
                Some(End::Err(fault @ Fault::Recorded(_))) => is_of(payload, fault),
                _ => false,
            },
            (Some(run), Ending::Completed(Completion::Unreplayable)) => {
                let comes_back = !matches!(&run.end, Some(End::Ok(value)) if value.exact.is_nan());
                self.is_done(run) && (!comes_back || call.refused)
            }
            // An unguarded run that is no success withdraws its claim: the store did not say what became of earlier attempts.
            (Some(run), Ending::Withdrawn) => !run.guarded && !self.is_done(run),
            (Some(run), _) if !run.guarded => false,
            (Some(run), Ending::Failed) => is_failure(run),
            (Some(run), Ending::Unknown) => run.gone || matches!(run.end, Some(End::Err(Fault::Unknown(_)))),
            (None, Ending::Completed(completion)) => match (&call.ask, completion) {
                (Some(Asking::Found(Found::Some(value))), Completion::Result(payload)) => is_of(payload, value),
                (Some(Asking::Found(Found::Some(_))), Completion::Unreplayable) => call.refused,
                _ => false,
            },
            (None, Ending::Withdrawn) => !matches!(call.ask, Some(Asking::Going | Asking::Found(Found::Some(_)))),
            _ => false,
        };
        if !is_right {
            self.wrong(format!("call {id} ends as {ending:?} (result left out: {is_unreplayable})"));
        }
        // Whatever was sent before and is sent again without its result was refused, or this one is wrong.
        let refused = self.has_fate(|fate| fate == Fate::Refused);
        if let Some(call) = self.calls.get_mut(&id) {
            call.refused |= refused && matches!(ending, Ending::Completed(_));
            call.withdrew |= *ending == Ending::Withdrawn;
        }
    }

    /// A body went away in its middle. Whoever is detached does not.
    pub(super) fn gone(&mut self, id: usize) {
        let panics = self.world.whats.iter().any(|what| matches!(what, crate::world::What::Panic(_)));
        let is_well = self.calls.get(&id).is_some_and(|call| !self.crashed.contains(&call.node));
        if self.path.detached && is_well && !(panics && id == 0) {
            self.wrong(format!("the body of call {id} is detached, and was dropped"));
        }
    }

    /// A verb reached the record.
    pub(super) fn applied(&mut self, id: usize, ask: &Ask, before: Option<&Record>, after: Option<&Record>) {
        let (Some(after), true) = (after, before != after) else { return };
        let is_new = before.is_none_or(|before| before.fence != after.fence);
        if is_new {
            if after.fence <= self.fence {
                self.wrong("a fence that does not rise");
            }
            self.fence = after.fence;
            if let Some(call) = self.calls.get_mut(&id) {
                call.granted = true;
            }
        }
        let Some(before) = before else { return };
        if before.owner != ask.owner() && !is_new {
            self.wrong("a former owner changed something");
        }
        if is_new && self.is_live(before) {
            self.wrong("two leases at a time");
        }
        if matches!(before.state, State::Completed(_)) && before.expires_at > self.now() && before.state != after.state
        {
            self.wrong("what was done is not any more");
        }
        let is_over = matches!(before.state, State::Running { .. }) && !self.is_live(before);
        // A success that lands late lands in time all the same.
        let done = matches!(after.state, State::Completed(_));
        if is_over && (is_new || done) {
            self.lapsed(before);
        }
    }

    /// A lease ran out. Not that of a process that was there, for the store was there, too.
    fn lapsed(&mut self, before: &Record) {
        let Some((id, call)) = self.owners.get(&before.owner).and_then(|id| Some((*id, self.calls.get(id)?))) else {
            return;
        };
        let run = call.run.and_then(|run| self.runs.get(run));
        let unguarded = run.is_some_and(|run| !run.guarded);
        // Nobody waits for a refusal to change, unless it is about something that is done.
        let given_up = self.has_fate(|fate| fate == Fate::Refused)
            && !run.is_some_and(|run| run.is_going() || self.is_done(run))
            && !matches!(call.ask, Some(Asking::Going | Asking::Found(Found::Some(_))));
        // A claim that arrives again when its call is over, and was refused, say, is granted to nobody.
        let again = self.has_fate(Fate::comes_again) && !run.is_some_and(|run| run.is_going() || self.is_done(run));
        if self.is_well(call.node) && !self.is_hard() && !unguarded && !given_up && !again {
            self.wrong(format!("call {id} had the key, and let its lease run out"));
        }
    }
}

/// Whether a run ended, and is known to have had no effect.
fn is_failure(run: &Run) -> bool {
    match &run.end {
        Some(End::Ok(value)) => !value.yes,
        Some(End::Err(fault)) => matches!(fault, Fault::Known(_)),
        None => false,
    }
}
