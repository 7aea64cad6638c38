//! What is seen of a world.

use idem::{Applied, Claimed, Kind, Owner, Record, StoreError, Timestamp};
use serde::{Deserialize, Serialize};

/// Something that was seen, and when: in milliseconds since the world began.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Seen {
    pub at: u64,
    pub note: Note,
}

/// What can be seen.
#[derive(Debug, Clone)]
pub enum Note {
    /// A caller called.
    Called(u32),
    /// It has its answer.
    Answered(u32, Answer),
    /// A body was polled for the first time.
    Began {
        /// Which execution this is; its value is made of it.
        run: u64,
        /// Whose.
        call: u32,
        /// The fence and the attempt that it was told.
        fence: u64,
        /// The attempt that it was told.
        attempt: u32,
    },
    /// It ended, or was dropped.
    Ended(u64, End),
    /// It had its effect.
    Effect(u64),
    /// A call asked what became of an earlier attempt, and this was the answer.
    Asked(u32, Found),
    /// A call sends a claim.
    Claims {
        /// Which call.
        call: u32,
        /// With which token.
        owner: Owner,
    },
    /// Its claim was answered.
    Told {
        /// Which call.
        call: u32,
        /// With which token it had been sent.
        owner: Owner,
        /// What it was told.
        heard: Heard,
    },
    /// A record changed.
    Changed(Box<Change>),
    /// A record was looked at.
    Loaded {
        /// Which one.
        key: u32,
        /// By whom.
        call: u32,
        /// Its fence, if there was one.
        fence: Option<u64>,
    },
    /// The store's clock was turned.
    Turned(i64),
    /// The store came back without what it had not written down.
    Restarted,
    /// A node died.
    Died(u32),
    /// A node is asked to come to its end.
    Drains(u32),
    /// It did, and so many calls were left.
    Drained(u32, usize),
    /// All trouble is over.
    Healed,
}

/// What a claim was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// That it certainly did not arrive.
    Nothing,
    /// That somebody else has the key.
    Owner,
    /// That it is granted.
    Granted,
    /// That the key is done, or not to be had.
    Other,
}

impl Heard {
    /// Nothing is known of a claim that may have arrived.
    pub(super) fn of(answer: Result<&Claimed, &StoreError>) -> Option<Self> {
        match answer {
            Ok(Claimed::Running { .. }) => Some(Self::Owner),
            Ok(Claimed::Granted(_)) => Some(Self::Granted),
            Ok(_) => Some(Self::Other),
            Err(error) => (error.applied() == Applied::No).then_some(Self::Nothing),
        }
    }
}

/// A record's change.
#[derive(Debug, Clone)]
pub struct Change {
    /// Which record.
    pub key: u32,
    /// Whose message did it.
    pub call: u32,
    /// When that was sent, or its verb began.
    pub sent: u64,
    /// The time by the store's clock.
    pub now: Timestamp,
    /// What was stored, expired or not.
    pub before: Option<Record>,
    /// What is.
    pub after: Record,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Answer {
    Value(u64, Kind),
    /// A value that no body made.
    Garbled(String),
    Error(Fault, Option<Kind>),
    Refused(Refusal),
    Panicked,
    /// What an operator was told.
    Settled(bool),
}

/// Why a call was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Refusal {
    InProgress,
    KeyReused,
    Indeterminate(u32),
    Unreplayable,
    Decode,
    Store,
    ShuttingDown,
    Other(String),
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With a value; `true`: one that no codec brings back.
    Value(bool),
    /// With an error.
    Error(Fault),
    /// With a panic.
    Panicked,
    /// It was dropped.
    Dropped,
}

/// What was found out of an earlier attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Its effect.
    Effect(u64),
    /// It had none.
    Nothing,
    /// Nothing is known.
    Trouble,
    /// The question was begun.
    NotYet,
}

/// An error of a body's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// It had no effect.
    Known(u64),
    /// It had none, and is to be recorded.
    Kept(u64),
    /// Nobody knows.
    Unknown(u64),
}

/// What a body answers with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// The execution that made it, or an operator's word.
    pub run: u64,
    /// Made of that, and hard to bring back to the last bit. No number at all: cannot be brought back.
    pub weight: f64,
}

impl Value {
    /// What an execution makes.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn of(run: u64, odd: bool) -> Self {
        let weight = if odd { f64::NAN } else { 1.0 / (run as f64 + 3.0) };
        Self { run, weight }
    }
}

/// What an operator says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Word {
    Resolve(u64),
    Retry,
    Forget,
    Inspect,
}
