//! The network, the store behind it, and what was seen of both.

mod drive;
mod fate;
mod line;
mod memory;
mod note;
mod server;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use idem::{Key, StoreError, Timestamp};
use tokio::sync::oneshot;
use tokio::time::Instant;

pub use drive::{drive, Script};
pub use fate::{Trouble, Troubled};
pub use line::Line;
pub use memory::Watched;
pub use note::{Answer, Change, End, Fault, Found, Heard, Note, Refusal, Seen, Value, Word};
pub use server::{Ask, Told};

use crate::dice::Dice;
use fate::Fate;
use server::Server;

/// The network of a world. A clone is the same.
#[derive(Clone)]
pub struct Wire(Arc<Mutex<Inner>>);

pub(crate) struct Inner {
    start: Instant,
    dice: Dice,
    /// The longest that a message takes when there is no trouble.
    latency: u64,
    troubles: Vec<Troubled>,
    under_way: BinaryHeap<Reverse<Message>>,
    sent: u64,
    answers: BTreeMap<u64, oneshot::Sender<Result<Told, StoreError>>>,
    /// When each call last looked at a record that it means to replace.
    looked: BTreeMap<u32, u64>,
    server: Server,
    notes: Vec<Seen>,
}

/// Something that arrives. The first fields say in which order.
#[derive(Debug)]
struct Message {
    at: u64,
    tie: u64,
    id: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Request { key: u32, call: u32, sent: u64, ask: Ask, back: Option<u64> },
    Answer(Result<Told, StoreError>),
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Message {}

impl PartialOrd for Message {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Message {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.tie, self.id).cmp(&(other.at, other.tie, other.id))
    }
}

impl Wire {
    /// A network that takes up to `latency` ms for a message, to a store that knows these keys by their numbers.
    #[must_use]
    pub fn new(dice: Dice, latency: u64, keys: Vec<Key>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            start: Instant::now(),
            dice,
            latency,
            troubles: Vec::new(),
            under_way: BinaryHeap::new(),
            sent: 0,
            answers: BTreeMap::new(),
            looked: BTreeMap::new(),
            server: Server::new(keys),
            notes: Vec::new(),
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the world began.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.inner().now()
    }

    /// That moment as tokio's.
    #[must_use]
    pub fn instant(&self, at: u64) -> Instant {
        self.inner().start + Duration::from_millis(at)
    }

    /// Writes something down.
    pub fn note(&self, note: Note) {
        self.inner().note(note);
    }

    /// All that was written down so far.
    #[must_use]
    pub fn notes(&self) -> Vec<Seen> {
        std::mem::take(&mut self.inner().notes)
    }

    /// From now on there is this trouble, too.
    pub fn trouble(&self, troubled: Troubled) {
        self.inner().troubles.push(troubled);
    }

    /// Ends all trouble.
    pub fn heal(&self) {
        self.inner().troubles.clear();
    }

    /// Turns the store's clock, by so many milliseconds.
    pub fn turn(&self, by: i64) {
        let mut inner = self.inner();
        inner.server.offset += by * 1000;
        inner.note(Note::Turned(by));
    }

    /// The store writes down what it has.
    pub fn sync(&self) {
        self.inner().server.sync();
    }

    /// The store comes back with what it had written down.
    pub fn restart(&self) {
        let mut inner = self.inner();
        inner.server.restart();
        inner.note(Note::Restarted);
    }

    /// The number of a key.
    ///
    /// # Panics
    /// When the world has no such key.
    #[must_use]
    pub fn number(&self, key: &Key) -> u32 {
        self.inner().server.number(key)
    }

    /// When the next message arrives.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.inner().under_way.peek().map(|Reverse(message)| message.at)
    }

    /// Lets one message arrive, if one is due.
    pub fn deliver(&self) -> bool {
        let mut inner = self.inner();
        let now = inner.now();
        if inner.under_way.peek().is_none_or(|Reverse(message)| message.at > now) {
            return false;
        }
        let Some(Reverse(Message { id, what, .. })) = inner.under_way.pop() else {
            return false;
        };
        match what {
            What::Request { key, call, sent, ask, back } => {
                let told = inner.arrive(key, call, sent, ask);
                if let Some(back) = back {
                    inner.put(id, back, What::Answer(told));
                }
            }
            What::Answer(answer) => {
                let to = inner.answers.remove(&id);
                drop(inner);
                // Whoever asked may have given up.
                if let Some(to) = to {
                    drop(to.send(answer));
                }
            }
        }
        true
    }
}

impl Inner {
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What the store's clock shows.
    pub(crate) fn clock(&self) -> Timestamp {
        let micros = i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros((server::START + micros + self.server.offset).unsigned_abs())
    }

    pub(crate) fn note(&mut self, note: Note) {
        let at = self.now();
        self.notes.push(Seen { at, note });
    }

    fn put(&mut self, id: u64, after: u64, what: What) {
        let (at, tie) = (self.now() + after, self.dice.roll());
        self.under_way.push(Reverse(Message { at, tie, id, what }));
    }

    /// Sends a request on its way; what becomes of it is decided here.
    fn send(&mut self, slot: u32, key: u32, call: u32, ask: Ask) -> oneshot::Receiver<Result<Told, StoreError>> {
        let Fate { there, back, again, failure } = self.fate(slot);
        self.sent += 1;
        let (id, mut sent) = (self.sent, self.now());
        match ask {
            Ask::Get => drop(self.looked.insert(call, sent)),
            // What is written was decided when it was looked at.
            Ask::Put(..) => sent = self.looked.get(&call).copied().unwrap_or(sent),
            _ => {}
        }
        let (to, answer) = oneshot::channel();
        if let Some(again) = again {
            self.put(id, again, What::Request { key, call, sent, ask: ask.clone(), back: None });
        }
        if let Some(there) = there {
            self.put(id, there, What::Request { key, call, sent, ask, back });
        }
        if let Some((after, error)) = failure {
            self.put(id, after, What::Answer(Err(error)));
        }
        self.answers.insert(id, to);
        answer
    }

    fn arrive(&mut self, key: u32, call: u32, sent: u64, ask: Ask) -> Result<Told, StoreError> {
        let full = self.troubles.iter().any(|troubled| troubled.trouble == Trouble::Full);
        let now = self.clock();
        let (told, notes) = self.server.apply(key, call, sent, ask, now, full);
        for note in notes {
            self.note(note);
        }
        told
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}
