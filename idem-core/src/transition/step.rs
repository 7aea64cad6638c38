//! Keeping a finished step.

use super::{Change, Found, Ownership, Verb};
use crate::record::{Owner, Record, State, Step};

/// A request to keep what a run has finished so far.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SaveStep {
    /// The claim's token.
    pub owner: Owner,
    /// How many steps were finished before this one.
    pub index: u32,
    /// The step.
    pub step: Step,
}

impl SaveStep {
    /// Keeps one more step of the owner's run. Sent again, it is the same step.
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
            // A step is missing: whoever saves this one is not who saved the ones before.
            return (Change::Keep, Ownership::Lost);
        }
        (Change::Write(Record { steps: record.steps.with(&self.step), ..record.clone() }), Ownership::Held)
    }
}
