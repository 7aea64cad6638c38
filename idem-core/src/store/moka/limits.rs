//! How much a store holds, and what it does when it is full.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::key::Key;
use crate::record::{Completion, Record, State};

/// What a store in memory does with a new key when it is full, or with a result that is too large for what is left. What has
/// expired goes first either way, as far as it was seen: for new keys the store is looked through once a second at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// Refuses it: the body of a new key does not run, a result ends unreplayable.
    #[default]
    Refuse,
    /// Forgets the operation that was done first. **A retry of that one runs again.** Claims and failures are never
    /// forgotten before their time.
    ForgetOldest,
}

/// What a record needs beside its key and its result, in about.
const OVERHEAD: usize = 512;

/// How often the whole store is looked through for what has expired, at most.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Limits {
    max_records: u64,
    max_bytes: u64,
    when_full: WhenFull,
    records: AtomicU64,
    bytes: AtomicU64,
    /// Of those, how many are done and may be forgotten by choice.
    done: AtomicU64,
    done_bytes: AtomicU64,
    forgotten: AtomicU64,
    looked_through: Mutex<Option<Timestamp>>,
    /// What was done, oldest first, by key and fence. Some of it is gone by now.
    oldest: Mutex<VecDeque<(Key, u64)>>,
}

/// Whether there is room for more; for nothing there always is.
const fn fits(used: u64, more: u64, max: u64) -> bool {
    more == 0 || used.saturating_add(more) <= max
}

/// How much a record takes.
pub(super) fn bytes(key: &Key, record: &Record) -> u64 {
    let result = match &record.state {
        State::Completed(Completion::Result(payload)) => payload.as_bytes().len(),
        _ => 0,
    };
    (key.as_bytes().len() + record.steps.as_bytes().len() + result + OVERHEAD) as u64
}

const fn is_done(record: &Record) -> bool {
    matches!(record.state, State::Completed(_))
}

impl Limits {
    pub(super) fn new(max_records: Option<u64>, max_bytes: Option<u64>, when_full: WhenFull) -> Self {
        Self {
            max_records: max_records.unwrap_or(u64::MAX),
            max_bytes: max_bytes.unwrap_or(u64::MAX),
            when_full,
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            done: AtomicU64::new(0),
            done_bytes: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
            looked_through: Mutex::new(None),
            oldest: Mutex::default(),
        }
    }

    /// Refuses what there is no room for: a new record, and a result that is larger than what was there. An ending without a
    /// result is never refused.
    pub(super) fn check(&self, key: &Key, found: Option<&Record>, record: &Record) -> Result<(), NoRoom> {
        let records = u64::from(found.is_none());
        let bytes = bytes(key, record).saturating_sub(found.map_or(0, |found| bytes(key, found)));
        if self.has_room(records, bytes) {
            return Ok(());
        }
        let (held, held_bytes) = self.used();
        Err(NoRoom { records, bytes, full: Full { records: held, bytes: held_bytes } })
    }

    /// Whether there is room for so much more.
    pub(super) fn has_room(&self, records: u64, bytes: u64) -> bool {
        let (used, used_bytes) = self.used();
        fits(used, records, self.max_records) && fits(used_bytes, bytes, self.max_bytes)
    }

    /// A record came in.
    pub(super) fn came(&self, key: &Key, record: &Record) {
        self.records.fetch_add(1, Ordering::SeqCst);
        self.bytes.fetch_add(bytes(key, record), Ordering::SeqCst);
        if is_done(record) {
            self.done.fetch_add(1, Ordering::SeqCst);
            self.done_bytes.fetch_add(bytes(key, record), Ordering::SeqCst);
        }
        if self.when_full == WhenFull::ForgetOldest && is_done(record) {
            let mut oldest = self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
            oldest.push_back((key.clone(), record.fence));
        }
    }

    /// A record is gone.
    pub(super) fn left(&self, key: &Key, record: &Record) {
        self.records.fetch_sub(1, Ordering::SeqCst);
        self.bytes.fetch_sub(bytes(key, record), Ordering::SeqCst);
        if is_done(record) {
            self.done.fetch_sub(1, Ordering::SeqCst);
            self.done_bytes.fetch_sub(bytes(key, record), Ordering::SeqCst);
        }
    }

    /// Whether there would be room if all that is done were forgotten. If not, nothing is.
    pub(super) fn can_make_room(&self, wanted: &NoRoom) -> bool {
        let stay =
            |all: &AtomicU64, done: &AtomicU64| all.load(Ordering::SeqCst).saturating_sub(done.load(Ordering::SeqCst));
        fits(stay(&self.records, &self.done), wanted.records, self.max_records)
            && fits(stay(&self.bytes, &self.done_bytes), wanted.bytes, self.max_bytes)
    }

    /// Whether the store may be looked through now; not again and again by everybody who is refused.
    pub(super) fn may_look_through(&self, now: Timestamp) -> bool {
        let mut last = self.looked_through.lock().unwrap_or_else(PoisonError::into_inner);
        // The clock may have been set back.
        let paused = last.is_none_or(|last| now.since(last).max(last.since(now)) >= PAUSE);
        if paused {
            *last = Some(now);
        }
        paused
    }

    /// The operation that was done first, if it may be forgotten.
    pub(super) fn oldest(&self) -> Option<(Key, u64)> {
        self.oldest.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Keeps the list of what was done about as long as there is something done.
    pub(super) fn tidy(&self, is_there: impl Fn(&Key, u64) -> bool) {
        let mut oldest = self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        let records = usize::try_from(self.records.load(Ordering::SeqCst)).unwrap_or(usize::MAX);
        if oldest.len() > records.saturating_mul(2).saturating_add(64) {
            oldest.retain(|(key, fence)| is_there(key, *fence));
        }
    }

    pub(super) fn forgot_one(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::SeqCst)
    }

    pub(super) fn used(&self) -> (u64, u64) {
        (self.records.load(Ordering::SeqCst), self.bytes.load(Ordering::SeqCst))
    }
}

/// There is no room for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store is full: {records} records, {bytes} bytes")]
#[non_exhaustive]
pub struct Full {
    /// How many records it holds.
    pub records: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

/// What a verb needed, and what there was.
#[derive(Debug)]
pub(super) struct NoRoom {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) full: Full,
}
#[cfg(test)]
mod tests;
