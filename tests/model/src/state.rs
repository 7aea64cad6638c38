//! Where a world stands: the store, what is under way to it, and what each call knows.

use idem_core::{Completion, Owner, Payload, Record, Settle, Settlement, State as RecordState, Timestamp};

use crate::law::Law;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Call {
    pub(crate) at: At,
    /// When its claim was last sent.
    pub(crate) sent: u32,
    /// The store's answer, under way to it.
    pub(crate) answer: Option<Granted>,
    /// Until when it believes to have the key.
    pub(crate) until: u32,
    /// The fence that it was granted.
    pub(crate) fence: u64,
    /// How many steps its body has finished, earlier attempts included.
    pub(crate) steps: u8,
    /// Its body began, and may have had its effect for all that is known.
    pub(crate) counts: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum At {
    #[default]
    Idle,
    /// It asked for the key.
    Claiming(Why),
    /// It was granted the key to find out what became of an earlier attempt.
    Asking,
    /// Its body runs.
    Running,
    /// Its ending is under way.
    Ending(End, Turn),
    /// Its ending was refused: somebody else has the key.
    Lost,
    /// Answered, given up or killed.
    Gone,
}

/// Why a call asks for the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Why {
    /// To run.
    First,
    /// It is still to run, and its lease ran out before it began.
    Resume,
    /// It has a success to record, and lost its lease.
    Back,
}

/// Which of its two tokens a call uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Turn {
    First,
    Back,
}

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

impl Call {
    /// Which token it uses now.
    pub(crate) const fn turn(&self) -> Turn {
        match self.at {
            At::Claiming(Why::Back) | At::Ending(_, Turn::Back) => Turn::Back,
            _ => Turn::First,
        }
    }

    /// It will do no more. What it did may still count.
    pub(crate) fn ends(&mut self) {
        *self = Self { at: At::Gone, counts: self.counts, ..Self::default() };
    }

    /// Whether it acts as the one who has the key.
    pub(crate) const fn believes(&self, now: u32) -> bool {
        matches!(self.at, At::Asking | At::Running) && self.until > now
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
