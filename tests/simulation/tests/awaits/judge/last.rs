//! When it is all over.

use super::Judge;
use crate::play::Played;

impl Judge<'_> {
    pub(super) fn last(&mut self, played: &Played) {
        let open: Vec<usize> = self
            .calls
            .iter()
            .filter(|(_, call)| call.over.is_none() && !call.left && !self.crashed.contains(&call.node))
            .map(|(id, _)| *id)
            .collect();
        if !open.is_empty() {
            self.wrong(format!("calls {open:?} are never answered"));
        }
        for left in &played.left {
            self.wrong(format!("left over: {left}"));
        }
        // What began detached goes to its end.
        let going: Vec<usize> = self
            .runs
            .iter()
            .enumerate()
            .filter(|(_, run)| run.is_going() && !self.crashed.contains(&run.node))
            .map(|(at, _)| at)
            .collect();
        if !going.is_empty() {
            self.wrong(format!("runs {going:?} never end"));
        }
        if !self.calls.contains_key(&4) {
            self.wrong("the world ended before its retries");
        }
        self.success_is_recorded();
    }

    /// A success of a process that lives is in the record, or somebody else's is.
    pub(super) fn success_is_recorded(&mut self) {
        let done = self.runs.iter().any(|run| self.is_done(run) && run.guarded && !self.crashed.contains(&run.node));
        let record = self.record.as_ref().map(|record| &record.state);
        if done && !matches!(record, Some(idem::State::Completed(_))) {
            self.wrong("a success is not recorded");
        }
    }
}
