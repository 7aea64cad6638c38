//! How much a store holds, and what it does when it is full.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Stored;
use crate::clock::Timestamp;
use crate::key::Key;
use crate::record::{Completion, Record, State};

/// What a [`MokaStore`](crate::MokaStore) does at its limit, with a new key or with a result that is too large.
///
/// Expired records are deleted first. For new keys the store looks for them once a second at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// Refuses the write: the body of a new key does not run, and a result is recorded as unreplayable.
    #[default]
    Refuse,
    /// Forgets the operation that was completed first. **A retry of that operation runs again.** Running, failed and unknown
    /// records are never forgotten before they expire.
    ForgetOldest,
}

/// The store has no room for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store is full: {records} records, {bytes} bytes")]
#[non_exhaustive]
pub struct FullError {
    /// How many records the store holds.
    pub records: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

/// How many records and bytes a write adds that the limits do not allow.
pub(super) type Exceeded = (u64, u64);

#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) max_records: Option<u64>,
    pub(super) max_bytes: Option<u64>,
    pub(super) when_full: WhenFull,
    pub(super) records: u64,
    pub(super) bytes: u64,
    completed_bytes: u64,
    /// With `ForgetOldest`, the keys of completed records by sequence number.
    oldest: BTreeMap<u64, Key>,
    last_sequence: u64,
    last_scan: Option<Timestamp>,
    pub(super) forgotten: u64,
}

impl Limits {
    /// A write that adds nothing is never refused: an outcome without a result can always be recorded.
    fn fits(&self, (records, bytes): (u64, u64), added: Exceeded) -> bool {
        let fits =
            |used: u64, added, max: Option<u64>| added == 0 || max.is_none_or(|max| used.saturating_add(added) <= max);
        fits(records, added.0, self.max_records) && fits(bytes, added.1, self.max_bytes)
    }

    /// Counts a record that is about to replace `stored`, and returns its sequence number.
    pub(super) fn add(&mut self, key: &Key, stored: Option<&Record>, record: &Record) -> Result<u64, Exceeded> {
        let bytes = size(key, record);
        let added = (u64::from(stored.is_none()), bytes.saturating_sub(stored.map_or(0, |stored| size(key, stored))));
        if !self.fits((self.records, self.bytes), added) {
            return Err(added);
        }
        self.records += 1;
        self.bytes += bytes;
        self.last_sequence += 1;
        if is_completed(record) {
            self.completed_bytes += bytes;
            if self.when_full == WhenFull::ForgetOldest {
                self.oldest.insert(self.last_sequence, key.clone());
            }
        }
        Ok(self.last_sequence)
    }

    /// Counts a record that moka no longer holds.
    pub(super) fn remove(&mut self, key: &Key, Stored { record, sequence }: &Stored) {
        self.records -= 1;
        self.bytes -= size(key, record);
        if is_completed(record) {
            self.completed_bytes -= size(key, record);
            self.oldest.remove(sequence);
        }
    }

    /// The record to forget next. `None` if `added` fits, or if forgetting every completed record would not make it fit.
    pub(super) fn pop_oldest(&mut self, added: Exceeded) -> Option<(u64, Key)> {
        let open = (self.records - self.oldest.len() as u64, self.bytes - self.completed_bytes);
        let is_useful = !self.fits((self.records, self.bytes), added) && self.fits(open, added);
        is_useful.then(|| self.oldest.pop_first()).flatten()
    }

    /// Whether a new key may scan for expired records: once a second.
    pub(super) fn may_scan(&mut self, now: Timestamp) -> bool {
        // In both directions, because the clock may have been set back.
        let elapsed = self.last_scan.map_or(Duration::MAX, |last| now.since(last).max(last.since(now)));
        let may_scan = elapsed >= Duration::from_secs(1);
        self.last_scan = if may_scan { Some(now) } else { self.last_scan };
        may_scan
    }
}

/// About how many bytes of memory a record takes.
pub(super) fn size(key: &Key, record: &Record) -> u64 {
    let result = match &record.state {
        State::Completed(Completion::Result(payload)) => payload.as_bytes().len(),
        _ => 0,
    };
    (key.as_bytes().len() + record.steps.as_bytes().len() + result + 512) as u64
}

const fn is_completed(record: &Record) -> bool {
    matches!(record.state, State::Completed(_))
}
