//! Where a world stands: the store, what is under way to it, and what each call knows.

use idem_core::{Completion, Ending, Owner, Payload, Record, Settle, Settlement, State as RecordState, Timestamp};

use crate::law::Law;
use crate::phase::{Hold, Pending, Phase, Recording, Standing};
use crate::time::{at, BEGIN};
use crate::world::{World, CALLS};

/// One state of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// In ticks.
    pub(crate) now: u32,
    /// How far the store's clock is ahead of the callers', once it was set.
    pub(crate) ahead: i64,
    /// How far the store's clock may yet be set back.
    pub(crate) back: u8,
    pub(crate) stored: Option<Record>,
    pub(crate) calls: [Call; CALLS],
    /// What was sent with each token. It may arrive at any time, any number of times, or never.
    pub(crate) sent: [Sent; 2 * CALLS],
    pub(crate) operator: Operator,
    /// The highest fence that was ever given.
    pub(crate) highest: u64,
    /// What the running claim found, for when it is withdrawn.
    pub(crate) found: Option<Box<Before>>,
    /// The law that the last action broke.
    pub(crate) broken: Option<Law>,
}

/// A call, as its process sees it. Its memory is gone when the process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// What it is doing: the engine's own state machine.
    pub(crate) phase: Phase,
    /// It claims the key once more before its body began: its lease ran out over `reconcile`.
    pub(crate) resumes: bool,
    /// The store's answer to its claim, on the way to it.
    pub(crate) answer: Option<Granted>,
    /// The fencing token that it was granted last.
    pub(crate) fence: u64,
    /// How many steps its body has finished, earlier attempts included.
    pub(crate) steps: u8,
    /// Its body began, and may have had its effect for all that is known.
    pub(crate) counts: bool,
}

/// Which of its two tokens a call uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Turn {
    First,
    Back,
}

/// An [`Ending`] without its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum End {
    Completed,
    Failed,
    Unknown,
    Withdrawn,
}

/// The key was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Granted {
    pub(crate) after_unknown: bool,
    pub(crate) fence: u64,
    pub(crate) steps: u8,
}

/// The messages of one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sent {
    /// A bit each.
    pub(crate) messages: u8,
    /// The fence that the ending names, if its call knew it.
    pub(crate) fence: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Message {
    Claim,
    Renew,
    Finish(End),
    Step(u8),
}

impl Message {
    pub(crate) const ALL: [Self; 8] = [
        Self::Claim,
        Self::Renew,
        Self::Finish(End::Completed),
        Self::Finish(End::Failed),
        Self::Finish(End::Unknown),
        Self::Finish(End::Withdrawn),
        Self::Step(0),
        Self::Step(1),
    ];

    pub(crate) fn number(self) -> usize {
        Self::ALL.iter().position(|each| *each == self).unwrap_or_default()
    }
}

impl Sent {
    pub(crate) fn has(self, message: Message) -> bool {
        self.messages >> message.number() & 1 == 1
    }

    pub(crate) fn add(&mut self, message: Message) {
        self.messages |= 1 << message.number();
    }

    /// An ending is sent, of what was granted with this fence.
    pub(crate) fn ends(&mut self, end: End, fence: Option<u64>) {
        self.add(Message::Finish(end));
        self.fence = fence;
    }

    pub(crate) fn each(self) -> impl Iterator<Item = Message> {
        Message::ALL
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| self.messages >> bit & 1 == 1)
            .map(|(_, message)| message)
    }
}

/// Somebody who looks at a record and says what became of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Operator {
    #[default]
    Idle,
    Sent {
        word: Word,
        fence: u64,
        done: bool,
        /// Somebody was granted the key since, or the record is done since: the word is about another record.
        outdated: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Word {
    Completed,
    Failed,
    Forgotten,
}

/// What there was before a claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Before {
    pub(crate) attempt: u32,
    pub(crate) fingerprint: Option<[u8; 32]>,
    pub(crate) at_most_once: bool,
    pub(crate) unknown: bool,
    pub(crate) steps: u32,
    pub(crate) expires_at: Option<Timestamp>,
}

impl State {
    pub(crate) fn new(back: u8) -> Self {
        Self {
            now: BEGIN,
            ahead: 0,
            back,
            stored: None,
            calls: Default::default(),
            sent: Default::default(),
            operator: Operator::Idle,
            highest: 0,
            found: None,
            broken: None,
        }
    }

    /// The store's clock.
    pub(crate) fn clock(&self) -> Timestamp {
        at(self.now, self.ahead)
    }

    /// The record, if its retention is not over.
    pub(crate) fn record(&self) -> Option<&Record> {
        self.stored.as_ref().filter(|record| !record.is_expired(self.clock()))
    }

    pub(crate) fn breaks(&mut self, law: Law) {
        self.broken.get_or_insert(law);
    }
}

impl Default for Call {
    fn default() -> Self {
        Self { phase: Phase::Idle, resumes: false, answer: None, fence: 0, steps: 0, counts: false }
    }
}

impl Call {
    /// Which token it uses now.
    pub(crate) fn turn(&self) -> Turn {
        match self.phase.token() {
            Some(owner) if owner.as_bytes()[0] % 2 == 1 => Turn::Back,
            _ => Turn::First,
        }
    }

    /// The claim that it waits for. A withdrawn claim is waited for by no call.
    pub(crate) fn claim(&self) -> Option<Pending> {
        match &self.phase {
            Phase::Claiming(claim) => Some(*claim),
            Phase::Recording(recording) => match recording.standing {
                Standing::Pending(claim) if recording.is_success() => Some(claim),
                _ => None,
            },
            _ => None,
        }
    }

    /// The ending that it sends until it is answered.
    pub(crate) fn ending(&self) -> Option<(End, Turn)> {
        match &self.phase {
            Phase::Recording(Recording { standing: Standing::Lost { .. }, .. }) => None,
            Phase::Recording(recording) if self.claim().is_none() => Some((End::of(&recording.ending), self.turn())),
            _ => None,
        }
    }

    /// It will do no more. What it did may still count.
    pub(crate) fn ends(&mut self) {
        *self = Self { phase: Phase::Done, counts: self.counts, ..Self::default() };
    }

    /// Until when it acts as the owner of the key.
    pub(crate) const fn believes_until(&self) -> Option<u32> {
        match &self.phase {
            Phase::Granted(lease) | Phase::Running(Hold::Lease(lease)) => Some(lease.valid_until),
            _ => None,
        }
    }
}

impl End {
    pub(crate) const fn of(ending: &Ending) -> Self {
        match ending {
            Ending::Completed(_) => Self::Completed,
            Ending::Failed => Self::Failed,
            Ending::Withdrawn => Self::Withdrawn,
            _ => Self::Unknown,
        }
    }
}

/// The number of a call's token.
pub(crate) const fn token(call: usize, turn: Turn) -> usize {
    2 * call + matches!(turn, Turn::Back) as usize
}

/// The token itself.
pub(crate) const fn owner(token: usize) -> Owner {
    Owner::from_bytes([token as u8; 16])
}

/// The operator's token.
pub(crate) const OPERATOR: Owner = owner(0xf0);

/// What a call comes to.
pub(crate) fn result(call: usize) -> Completion {
    Completion::Result(Payload::from_bytes([call as u8]))
}

/// The operator's word as it is sent.
pub(crate) fn settle(word: Word, fence: u64, done: bool) -> Settle {
    let settlement = match word {
        Word::Completed => Settlement::Completed(result(0xf0)),
        Word::Failed => Settlement::Failed,
        Word::Forgotten => Settlement::Forgotten,
    };
    let mut record = Record::new(RecordState::Failed, OPERATOR, Timestamp::from_micros(0));
    record.fence = fence;
    if done {
        record.state = RecordState::Completed(Completion::Unreplayable);
    }
    Settle::new(&record, OPERATOR, settlement)
}

impl World {
    /// Whether two calls are the same but for their number. The first of them begins first.
    pub(crate) fn are_alike(&self, one: usize, other: usize) -> bool {
        self.policy(one) == self.policy(other)
    }
}
