//! The records of one share of the keys: those that are open, and where those lie that are done.

use std::collections::HashMap;

use super::done::Kept;
use crate::clock::Timestamp;
use crate::key::{Key, Prehashed};
use crate::record::Record;

#[derive(Default)]
pub(super) struct Open {
    records: HashMap<Key, Record, Prehashed>,
    /// At how many records the expired ones are looked for next.
    sweep_at: usize,
    /// Those that are done.
    pub(super) done: Kept,
}

impl Open {
    pub(super) fn get(&self, key: &Key) -> Option<&Record> {
        self.records.get(key)
    }

    /// Puts a record in, and answers with the expired ones that were met.
    pub(super) fn insert(&mut self, key: &Key, record: Record, now: Timestamp) -> Vec<(Key, Record)> {
        self.records.insert(key.clone(), record);
        if self.records.len() <= self.sweep_at {
            return Vec::new();
        }
        let swept = self.sweep(usize::MAX, now);
        // Looked for again when the map has doubled, so that each insertion pays for a constant share.
        self.sweep_at = self.records.len() * 2 + 16;
        swept
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.records.remove(key);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Record)> {
        self.records.iter()
    }

    /// Takes up to `limit` expired records out.
    pub(super) fn sweep(&mut self, limit: usize, now: Timestamp) -> Vec<(Key, Record)> {
        self.take(limit, |record| record.is_expired(now))
    }

    /// Takes the records out of which nothing is known any more.
    pub(super) fn take_blanks(&mut self) -> Vec<(Key, Record)> {
        self.take(usize::MAX, Record::is_blank)
    }

    fn take(&mut self, limit: usize, which: impl Fn(&Record) -> bool) -> Vec<(Key, Record)> {
        let keys = self.records.iter().filter(|(_, record)| which(record)).map(|(key, _)| key.clone());
        let keys: Vec<_> = keys.take(limit).collect();
        keys.into_iter().filter_map(|key| self.records.remove_entry(&key)).collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.records.len() + self.done.len()
    }
}
