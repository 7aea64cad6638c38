//! Keeping a finished step.

use super::{Change, Found, Held, Verb};
use crate::record::{Owner, Phase, Record, Step};

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
    type Answer = Held;

    fn apply(self, found: Found<'_>, _: crate::clock::Timestamp) -> (Change, Held) {
        let running = |record: &&Record| matches!(record.phase, Phase::Running { .. });
        let Some(record) = found.record.filter(|record| record.owner == self.owner).filter(running) else {
            return (Change::Keep, Held::Lost);
        };
        if self.index < record.steps.count() {
            return (Change::Keep, Held::Held);
        }
        if self.index > record.steps.count() {
            // A step is missing: whoever saves this one is not who saved the ones before.
            return (Change::Keep, Held::Lost);
        }
        (Change::Write(Record { steps: record.steps.with(&self.step), ..record.clone() }), Held::Held)
    }
}
