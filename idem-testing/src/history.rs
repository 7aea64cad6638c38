//! What many clients asked of a store and were told, and whether one record can have answered all of it.

mod check;
mod note;
mod text;
mod world;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use idem_core::{
    Applied, Claim, Claimed, Clock, Completed, Finish, Key, List, Owner, Ownership, Page, Record, SaveStep, Settle,
    Settled, Store, StoreError, Timestamp,
};

use note::{Answer, Asked, Op, NEVER};

/// What clients asked of a store and were told. A clone is the same history.
///
/// Each client asks through a store of its own that [`store`](Self::store) makes: it notes every verb on a key, when it was
/// asked and when it was answered. [`check`](Self::check) then says whether all answers can have come from one record for each
/// key that every verb changed at one moment between question and answer, as [`transition`](idem_core::transition) has it. A
/// verb whose answer was lost may have been applied at any time since, or never; one that was certainly not applied does not
/// count.
///
/// The keys must be new: what happened before the history is not in it.
///
/// ```
/// # use std::time::Duration;
/// # use idem_core::{Claim, Key, MokaStore, Owner, Store};
/// # #[derive(Debug, Clone)] struct MyStore;
/// # impl MyStore { fn new() -> MokaStore { MokaStore::new() } }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use idem_testing::History;
///
/// let (history, store) = (History::new(), MyStore::new());
/// let (one, other) = (history.store("one", store.clone()), history.store("other", store));
/// let key = Key::new("", "charge", "o-1").unwrap();
/// let claim = || Claim::new(Owner::random(), Duration::from_secs(1), Duration::from_secs(60));
/// // Concurrently, through a bad network, while the store is killed and started again…
/// let (mine, yours) = (claim(), claim());
/// let _ = tokio::join!(one.claim(&key, &mine), other.claim(&key, &yours));
/// // The store's clock is the clients' to a millisecond.
/// history.check(Duration::from_millis(1)).unwrap();
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct History(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Box<dyn Clock>,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    ops: Vec<Op>,
    file: Option<File>,
}

/// A store whose verbs are noted in a [`History`]. A clone is the same client.
#[derive(Debug, Clone)]
pub struct Recorded {
    history: History,
    client: Arc<str>,
    store: Arc<dyn Store>,
}

/// A history that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Checked {
    /// How many keys it has.
    pub keys: usize,
    /// How many verbs were answered.
    pub answered: usize,
    /// How many verbs were not: they may have been applied or not.
    pub unknown: usize,
    /// How many of the keys have so many lost answers that the search for an order was given up.
    pub undecided: usize,
}

/// No order of its verbs explains all that was answered for a key. It shows the shortest beginning of the key's history that
/// cannot be, its last line being the answer that does not fit.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Contradiction {
    /// The key.
    pub key: Key,
    story: String,
}

impl History {
    /// An empty history, timed by the host's time of day: for a store that keeps the same time.
    #[must_use]
    pub fn new() -> Self {
        Self::with(HostClock, None)
    }

    /// An empty history, timed by the clock that the store has.
    #[must_use]
    pub fn with_clock(clock: impl Clock) -> Self {
        Self::with(clock, None)
    }

    /// An empty history that is also written down in a file, verb by verb: what a process asked is still there when it was
    /// killed. Give each process a file of its own, and [`read`](Self::read) all of them.
    ///
    /// # Errors
    /// When there can be no such file.
    pub fn in_file(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self::with(HostClock, Some(file)))
    }

    /// The history that some processes of one host wrote down.
    ///
    /// # Errors
    /// When a file cannot be read, or is no history. That its last line was cut short is no harm.
    pub fn read<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> io::Result<Self> {
        let history = Self::new();
        for path in paths {
            let mut file = String::new();
            File::open(path)?.read_to_string(&mut file)?;
            let ops = text::read(&file).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a history"))?;
            history.notes().ops.extend(ops);
        }
        Ok(history)
    }

    fn with(clock: impl Clock, file: Option<File>) -> Self {
        Self(Arc::new(Inner { clock: Box::new(clock), notes: Mutex::new(Notes { ops: Vec::new(), file }) }))
    }

    /// A client's way to the store: what it asks there is noted. Its name is for people.
    #[must_use]
    pub fn store(&self, client: &str, store: impl Store) -> Recorded {
        Recorded { history: self.clone(), client: client.into(), store: Arc::new(store) }
    }

    /// Whether all answers so far can have come from one record for each key.
    ///
    /// The store's clock may differ by `skew` from the history's, so much earlier or later may a verb have been applied by it.
    /// What is relaxed: a time that nobody was told lies somewhere in an interval, and intervals are kept apart (of a lease that
    /// was renewed and a retention, say), so a store that is off by less than what a verb takes may pass. No store that keeps the
    /// contract fails.
    ///
    /// # Errors
    /// [`Contradiction`] for the first key, in the order of their first questions, for which they cannot.
    pub fn check(&self, skew: Duration) -> Result<Checked, Contradiction> {
        let ops = self.notes().ops.clone();
        check::check(ops, u64::try_from(skew.as_micros()).unwrap_or(u64::MAX))
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a question, before it is asked.
    fn asked(&self, client: &Arc<str>, key: &Key, asked: Asked) -> usize {
        let mut notes = self.notes();
        let invoked = self.0.clock.now().as_micros();
        let op = Op { client: client.clone(), key: key.clone(), asked, invoked, returned: NEVER, answer: None };
        let number = notes.ops.len();
        notes.write(|| text::question(number, &op));
        notes.ops.push(op);
        number
    }

    /// Notes an answer, after it came.
    fn answered(&self, number: usize, answer: Answer) {
        let returned = self.0.clock.now().as_micros();
        let mut notes = self.notes();
        notes.write(|| text::answer(number, returned, &answer));
        if let Some(op) = notes.ops.get_mut(number) {
            (op.returned, op.answer) = (returned, Some(answer));
        }
    }
}

impl Notes {
    fn write(&mut self, line: impl FnOnce() -> String) {
        if let Some(file) = &mut self.file {
            // In one write: whoever is killed leaves whole lines. A disk that is full shows in what is read back.
            let _ = file.write_all(line().as_bytes());
        }
    }
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

/// The host's time of day, looked at anew each time.
#[derive(Debug)]
struct HostClock;

impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0).after(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl Recorded {
    async fn note<T>(
        &self,
        key: &Key,
        asked: Asked,
        answer: impl Future<Output = Result<T, StoreError>> + Send,
        as_noted: impl FnOnce(&T) -> Answer + Send,
    ) -> Result<T, StoreError> {
        let number = self.history.asked(&self.client, key, asked);
        let answer = answer.await;
        match &answer {
            Ok(answer) => self.history.answered(number, as_noted(answer)),
            Err(error) if error.applied() == Applied::No => self.history.answered(number, Answer::NotApplied),
            // As one that was dropped: no answer.
            Err(_) => {}
        }
        answer
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for Recorded {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        let answer = self.store.claim(key, claim);
        self.note(key, Asked::Claim(*claim), answer, |answer| Answer::Claimed(answer.clone())).await
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        let answer = self.store.renew(key, owner);
        self.note(key, Asked::Renew(owner), answer, |answer| Answer::Held(*answer)).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        let answer = self.store.finish(key, finish);
        self.note(key, Asked::Finish(finish.clone()), answer, |answer| Answer::Held(*answer)).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.note(key, Asked::Load, self.store.load(key), |answer| Answer::Loaded(answer.clone().map(Box::new))).await
    }

    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        let answer = self.store.save_step(key, save);
        self.note(key, Asked::SaveStep(save.clone()), answer, |answer| Answer::Held(*answer)).await
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        let answer = self.store.settle(key, settle);
        self.note(key, Asked::Settle(settle.clone()), answer, |answer| Answer::Settled(*answer)).await
    }

    async fn list(&self, list: &List) -> Result<Page, StoreError> {
        self.store.list(list).await
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.store.sweep(limit).await
    }

    fn peek(&self, key: &Key) -> Option<Completed> {
        self.store.peek(key)
    }

    async fn changed(&self, key: &Key) {
        self.store.changed(key).await;
    }
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.story)
    }
}

impl std::error::Error for Contradiction {}

#[cfg(test)]
mod tests;
