//! What is explored: who calls with which policies, and how far.

use std::fmt;
use std::sync::Mutex;

use idem_core::{Claim, Fingerprint, Owner};

use crate::met::{Event, Met};
use crate::time::ticks;

/// How many calls a world has at most.
pub(crate) const CALLS: usize = 3;

/// How a call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub(crate) at_most_once: bool,
    pub(crate) reconciling: bool,
    pub(crate) fingerprint: Option<u8>,
    pub(crate) lease: u8,
    pub(crate) ttl: u8,
}

impl Policy {
    /// A call without options, on a lease of one tick and a TTL of two.
    pub const PLAIN: Self = Self { at_most_once: false, reconciling: false, fingerprint: None, lease: 1, ttl: 2 };
    /// The same with `at_most_once`.
    pub const ONCE: Self = Self { at_most_once: true, ..Self::PLAIN };
    /// The same with `reconcile`.
    pub const ASKS: Self = Self { reconciling: true, ..Self::PLAIN };
    /// The same with both.
    pub const ONCE_ASKS: Self = Self { at_most_once: true, ..Self::ASKS };

    /// With a fingerprint.
    #[must_use]
    pub const fn of(self, fingerprint: u8) -> Self {
        Self { fingerprint: Some(fingerprint), ..self }
    }

    /// With other times.
    #[must_use]
    pub const fn lasting(self, lease: u8, ttl: u8) -> Self {
        Self { lease, ttl, ..self }
    }

    pub(crate) fn claim(&self, owner: Owner, back: bool) -> Claim {
        Claim::new(owner, ticks(self.lease), ticks(self.ttl))
            .fingerprint(self.fingerprint.map(fingerprint))
            .at_most_once(self.at_most_once)
            // As in the engine: a call that knows its own outcome runs nothing.
            .reconciling(self.reconciling || back)
    }
}

/// One of a few requests.
pub(crate) fn fingerprint(request: u8) -> Fingerprint {
    Fingerprint::from_bytes([request; 32])
}

/// What an engine could do wrong with a phase. A world with a mistake breaks a law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// A lease is counted from when the grant was heard, not from when the claim was sent.
    LeaseFromTheAnswer,
    /// A lease is counted on after the store said that it is lost.
    LostLeaseRenewed,
    /// A body that is dropped withdraws its claim, as if it had not begun.
    DropWithdraws,
    /// A body that panics or fails without knowing is recorded as failed.
    UnknownIsFailed,
}

/// Some calls of one key, and how far they are followed.
pub struct World {
    pub(crate) name: &'static str,
    /// Each runs once, at any time; a caller who tries again is the next one.
    pub(crate) calls: Vec<Policy>,
    /// Steps that a body may save.
    pub(crate) steps: u8,
    /// Whether leases are renewed.
    pub(crate) renews: bool,
    /// Whether a call that lost its lease comes back with its success.
    pub(crate) ways_back: bool,
    /// Whether an operator says what became of the call, once.
    pub(crate) operator: bool,
    /// How far the store's clock is set, once, back or forward.
    pub(crate) clock_steps: u8,
    pub(crate) mistake: Option<Mistake>,
    /// What must happen somewhere in it.
    pub(crate) must_meet: Vec<Event>,
    pub(crate) met: Met,
    /// Records that were looked at, with their time: what is asked of each is asked once.
    pub(crate) looked_at: Mutex<std::collections::HashSet<u64>>,
}

impl World {
    /// Calls that renew, crash, give up and come back.
    #[must_use]
    pub fn new(name: &'static str, calls: &[Policy]) -> Self {
        assert!(calls.len() <= CALLS, "{name} has too many calls");
        Self {
            name,
            calls: calls.to_vec(),
            steps: 0,
            renews: true,
            ways_back: true,
            operator: false,
            clock_steps: 0,
            mistake: None,
            must_meet: Vec::new(),
            met: Met::default(),
            looked_at: Mutex::default(),
        }
    }

    /// Bodies save so many steps.
    #[must_use]
    pub fn steps(self, steps: u8) -> Self {
        Self { steps, ..self }
    }

    /// No lease is renewed.
    #[must_use]
    pub fn without_renewals(self) -> Self {
        Self { renews: false, ..self }
    }

    /// A call that lost its lease leaves it at that.
    #[must_use]
    pub fn without_ways_back(self) -> Self {
        Self { ways_back: false, ..self }
    }

    /// An operator has a word, once.
    #[must_use]
    pub fn operated(self) -> Self {
        Self { operator: true, ..self }
    }

    /// The store's clock is set back or forward once, by so many ticks: less than any retention.
    #[must_use]
    pub fn clock_steps(self, clock_steps: u8) -> Self {
        Self { clock_steps, ..self }
    }

    /// Every call makes this mistake.
    #[must_use]
    pub fn mistaken(self, mistake: Mistake) -> Self {
        Self { mistake: Some(mistake), ..self }
    }

    pub(crate) fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// All of this must happen somewhere in it.
    #[must_use]
    pub fn meeting(mut self, events: &[Event]) -> Self {
        self.must_meet.extend(events);
        self
    }

    /// What must happen and did not.
    pub fn missed(&self) -> impl Iterator<Item = &'static str> + '_ {
        let missed = |(event, _): &(Event, _)| self.must_meet.contains(event) && !self.met.has(*event);
        Event::ALL.into_iter().filter(missed).map(|(_, name)| name)
    }

    /// What has happened somewhere in it.
    pub fn met(&self) -> impl Iterator<Item = Event> + '_ {
        Event::ALL.into_iter().map(|(event, _)| event).filter(|event| self.met.has(*event))
    }

    /// What it is called.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn policy(&self, call: usize) -> &Policy {
        &self.calls[call]
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("name", &self.name).field("calls", &self.calls).finish_non_exhaustive()
    }
}
