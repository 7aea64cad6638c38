//! What runs, and when: never without the key, never twice where once was promised.

use idem::Record;

use super::{Asking, Judge, Run};
use crate::history::{End, Fault, Found};
use crate::path::LEASE;
use crate::world::Fate;

impl Judge<'_> {
    /// The record, if it is this call's, and its lease live.
    fn held(&self, id: usize, fence: u64) -> Option<&Record> {
        let record = self.record.as_ref()?;
        let is_mine = record.fence == fence && self.owners.get(&record.owner) == Some(&id);
        (is_mine && self.is_live(record)).then_some(record)
    }

    /// A body of a process that was there has the key at its end as at its beginning.
    pub(super) fn has_its_key(&mut self, at: usize) {
        let Some(run) = self.runs.get(at) else { return };
        let id = run.call;
        if run.guarded && self.is_well(run.node) && !self.is_hard() && self.held(id, run.fence).is_none() {
            self.wrong(format!("the body of call {id} has not the key any more"));
        }
    }

    pub(super) fn asks(&mut self, id: usize, fence: u64) {
        let after_unknown = self.held(id, fence).map(|record| record.after_unknown);
        match after_unknown {
            None => self.wrong(format!("call {id} asks what became of the last attempt, without the key")),
            Some(false) => self.wrong(format!("call {id} asks what became of the last attempt, which is known")),
            Some(true) => {}
        }
        if self.path.asks.is_none() || self.calls.get(&id).is_some_and(|call| call.ask.is_some() || call.run.is_some())
        {
            self.wrong(format!("call {id} asks when it must not"));
        }
        self.asked(id, Asking::Going);
    }

    pub(super) fn begins(&mut self, node: usize, id: usize, fence: u64, attempt: u32) {
        let guarded = fence != 0;
        let held = self.held(id, fence).map(|record| (record.attempt, record.after_unknown));
        let Some(call) = self.calls.get(&id) else { return };
        let (ran, ask, owned) = (call.run.is_some(), call.ask.clone(), call.owned);
        if call.withdrew {
            self.wrong(format!("call {id} runs, and has given the key back"));
        }
        if ran {
            self.wrong(format!("call {id} runs its body twice"));
        }
        match held {
            Some((of_record, after_unknown)) => {
                if of_record != attempt {
                    self.wrong(format!("call {id} is attempt {of_record}, and was told {attempt}"));
                }
                let found = ask == Some(Asking::Found(Found::None));
                if self.path.asks.is_some() && after_unknown && !found {
                    self.wrong(format!("call {id} runs unasked"));
                }
                if self.path.asks.is_none() && ask.is_some() {
                    self.wrong(format!("call {id} was asked"));
                }
            }
            None if guarded => self.wrong(format!("call {id} runs without the key")),
            None if !self.path.fail_open || self.path.at_most_once => self.wrong(format!("call {id} runs unguarded")),
            // "Once an owner is known, `InProgress`." One whose lease was over, for the key was granted to this call next, and
            // who stood still until that was over, too, is none: "lease over: take over and run".
            None if owned => self.wrong(format!("call {id} runs unguarded, and knew of an owner")),
            None if !self.has_trouble(node) => self.wrong(format!("call {id} runs unguarded, and the store answers")),
            None => {}
        }
        for (at, run) in self.runs.iter().enumerate() {
            if let Some(what) = self.forbids(run, node, guarded) {
                self.wrong.push(format!("{:?}: call {id} runs beside or after run {at}: {what}", self.at));
            }
        }
        if self.path.at_most_once && self.path.asks.is_none() && self.path.before.is_open() {
            self.wrong(format!("call {id} runs after an attempt that was to be the last"));
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.run = Some(self.runs.len());
        }
        self.runs.push(Run { call: id, node, guarded, fence, end: None, at: self.at, gone: false });
    }

    /// Whether the store may not have answered a process, or that was not there to hear it.
    pub(super) fn has_trouble(&self, node: usize) -> bool {
        self.has_fate(Fate::is_grave) || self.is_hard() || self.stopped.contains(&node)
    }

    /// Why another body must not begin now.
    fn forbids(&self, run: &Run, node: usize, guarded: bool) -> Option<&'static str> {
        let had_no_effect = match &run.end {
            Some(End::Ok(value)) => !value.yes,
            Some(End::Err(fault)) => matches!(fault, Fault::Known(_)),
            None => false,
        };
        // Whatever else happened: it is not excused by anything but `reconcile`, which said that there was no effect.
        if self.path.at_most_once && self.path.asks.is_none() && !had_no_effect && run.guarded {
            return Some("it was to be the last");
        }
        if self.crashed.contains(&run.node) {
            return None;
        }
        let here = run.node == node;
        if here && run.is_going() && !(run.guarded && guarded) {
            return Some("one is unguarded, and they are in one process");
        }
        // What nothing guarded is sent again for a lease.
        let again = run.guarded || self.at < run.at + LEASE;
        if here && again && self.is_done(run) && self.calls.get(&run.call).is_some_and(|call| call.landing) {
            return Some("its process knows that it was done");
        }
        // Where nothing guards it, or the store was not there for long enough, another process may run.
        if !run.guarded || !guarded || self.is_hard() || !self.is_well(run.node) {
            return None;
        }
        if run.is_going() {
            return Some("it has the key");
        }
        self.is_done(run).then_some("it was done")
    }
}
