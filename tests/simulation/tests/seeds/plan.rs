//! What is to happen in a world: a list that can be made shorter while the world still fails.

use idem_simulation::wire::{Troubled, Word};

/// A world before it begins.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub seed: u64,
    pub class: Class,
    pub keys: u32,
    /// The longest that a message takes when there is no trouble, in ms.
    pub latency: u64,
    /// The options that are about, the first at the beginning.
    pub deploys: Vec<Deploy>,
    /// Which of them each place begins with.
    pub slots: Vec<usize>,
    /// What happens, by time in ms.
    pub acts: Vec<(u64, Act)>,
}

/// What may go wrong; the laws that hold depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Nothing but delays, and callers that leave.
    Calm,
    /// The network, nodes that stop and die, deploys.
    Faults,
    /// All that, and the store's clock steps.
    Steps,
    /// All but steps, and the store forgets what it had not written down.
    Forgets,
    /// One process, and a store in its memory.
    Memory,
}

/// Options of a node, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deploy {
    pub ttl: u64,
    pub lease: u64,
    pub wait: u64,
    pub timeout: u64,
    pub print: Print,
    pub at_most_once: bool,
    pub record_err: bool,
    pub unknown_err: bool,
    pub reconcile: bool,
    pub detached: bool,
    pub fail_open: bool,
    pub store: Kept,
}

impl Deploy {
    /// "With `fail_open`, and neither `at_most_once` nor `tx`: run unguarded."
    pub(crate) const fn opens(&self) -> bool {
        self.fail_open && !self.at_most_once
    }
}

/// What is fingerprinted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Print {
    Nothing,
    Request,
    /// The same in another shape.
    Reshaped,
}

/// How a node keeps its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Plain,
    Hinted,
    Tiered(u64),
    CasStore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Call { slot: u32, key: u32, request: u8, body: Body, leaves: Option<u64> },
    Operate { slot: u32, key: u32, word: Word },
    Stop { slot: u32, ms: u64 },
    Crash { slot: u32, down: u64, deploy: usize },
    Drain { slot: u32, ms: u64, deploy: usize },
    Trouble(Troubled),
    Turn(i64),
    Sweep { slot: u32 },
    Sync,
    Restart,
}

/// A body: how long it takes, when it has its effect, and how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Body {
    pub ms: u64,
    pub effect: u64,
    pub ends: Ends,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    Value,
    /// A value that cannot be brought back.
    Odd,
    Known,
    Kept,
    Unknown,
    Panic,
}

/// How long the troubled part of a world lasts.
pub(crate) const LASTS: u64 = 8_000;
/// After that, how long until all is settled: the longest pause of an ending that does not land, body, lease, late message.
pub(crate) const SETTLES: u64 = 40_000;
