//! How much a store holds, and what it does when it is full.

use std::collections::BTreeMap;

use super::Stored;
use crate::key::Key;
use crate::record::{Completion, Record, State};

/// What a [`MokaStore`](crate::MokaStore) does at its limit, with a new key or with a result that is too large.
///
/// Expired records are deleted first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// Refuses the write: the body of a new key does not run (`Store`, after `store_timeout`); a result becomes unreplayable.
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
    /// About how many bytes of memory they take.
    pub bytes: u64,
}

/// How many records, and about how many bytes of memory they take.
pub(super) type Size = (u64, u64);

#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) max_records: Option<u64>,
    pub(super) max_bytes: Option<u64>,
    pub(super) when_full: WhenFull,
    pub(super) used: Size,
    completed: Size,
    /// With `ForgetOldest`, the keys of completed records by sequence number.
    oldest: BTreeMap<u64, Key>,
    last_sequence: u64,
    pub(super) forgotten: u64,
}

impl Limits {
    /// A write that adds nothing is never refused: an outcome without a result can always be recorded.
    pub(super) fn fits(&self, used: Size, added: Size) -> bool {
        let fits =
            |used: u64, added, max: Option<u64>| added == 0 || max.is_none_or(|max| used.saturating_add(added) <= max);
        fits(used.0, added.0, self.max_records) && fits(used.1, added.1, self.max_bytes)
    }

    /// Counts a record instead of the stored one, and returns its sequence number. If there is no room, counts nothing and
    /// returns how much more the record takes.
    pub(super) fn replace(&mut self, key: &Key, stored: Option<&Stored>, record: &Record) -> Result<u64, Size> {
        let (old, new) = (stored.map_or((0, 0), |stored| size(key, &stored.record)), size(key, record));
        let added = (new.0.saturating_sub(old.0), new.1.saturating_sub(old.1));
        if !self.fits(self.used, added) {
            return Err(added);
        }
        stored.into_iter().for_each(|stored| self.remove(key, stored));
        self.last_sequence += 1;
        self.used = (self.used.0 + new.0, self.used.1 + new.1);
        if record.is_completed() {
            self.completed = (self.completed.0 + new.0, self.completed.1 + new.1);
            if self.when_full == WhenFull::ForgetOldest {
                self.oldest.insert(self.last_sequence, key.clone());
            }
        }
        Ok(self.last_sequence)
    }

    /// Stops counting a record.
    pub(super) fn remove(&mut self, key: &Key, Stored { record, sequence, .. }: &Stored) {
        let size = size(key, record);
        self.used = less(self.used, size);
        if record.is_completed() {
            self.completed = less(self.completed, size);
            self.oldest.remove(sequence);
        }
    }

    /// The record to forget next, but not that of `except`. `None` if `added` would not fit without all completed records.
    pub(super) fn pop_oldest(&mut self, except: &Key, added: Size) -> Option<(u64, Key)> {
        let is_useful = self.fits(less(self.used, self.completed), added);
        let sequence = *self.oldest.iter().find(|(_, key)| is_useful && *key != except)?.0;
        self.oldest.remove_entry(&sequence)
    }
}

/// The size of a record. A blank record keeps only its fencing token and counts as nothing.
fn size(key: &Key, record: &Record) -> Size {
    let result = match &record.state {
        State::Completed(Completion::Result(payload)) => payload.as_bytes().len(),
        _ if record.is_blank() => return (0, 0),
        _ => 0,
    };
    (1, (key.as_bytes().len() + record.steps.as_bytes().len() + result + 512) as u64)
}

const fn less(from: Size, size: Size) -> Size {
    (from.0 - size.0, from.1 - size.1)
}
