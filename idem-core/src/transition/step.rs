//! The verb `save_step`: keeps a finished step.

use super::{Change, Found, Ownership, Verb};
use crate::record::{Owner, Record, State, Step};

/// A request to keep a finished step of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SaveStep {
    /// The token of the claim that was granted.
    pub owner: Owner,
    /// The number of steps before this one.
    pub index: u32,
    /// The step.
    pub step: Step,
}

impl SaveStep {
    /// Makes a request to keep step number `index`. Sending it again has no further effect.
    #[must_use]
    pub const fn new(owner: Owner, index: u32, step: Step) -> Self {
        Self { owner, index, step }
    }
}

impl Verb for &SaveStep {
    type Answer = Ownership;

    fn apply(self, found: Found<'_>, _: crate::clock::Timestamp) -> (Change, Ownership) {
        let running = |record: &&Record| matches!(record.state, State::Running { .. });
        let Some(record) = found.record.filter(|record| record.owner == self.owner).filter(running) else {
            return (Change::Keep, Ownership::Lost);
        };
        if self.index < record.steps.count() {
            return (Change::Keep, Ownership::Held);
        }
        if self.index > record.steps.count() {
            // The record lacks the steps before this one, because they were saved in a record that is gone.
            return (Change::Keep, Ownership::Lost);
        }
        (Change::Write(Record { steps: record.steps.with(&self.step), ..record.clone() }), Ownership::Held)
    }
}
