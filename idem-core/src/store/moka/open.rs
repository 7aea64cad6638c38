//! Open records of one share of the keys.

use std::collections::HashMap;

use crate::clock::Timestamp;
use crate::key::{Key, Prehashed};
use crate::record::Record;

#[derive(Default)]
pub(super) struct Open {
    records: HashMap<Key, Record, Prehashed>,
    /// At how many records the expired ones are looked for next.
    sweep_at: usize,
}

impl Open {
    pub(super) fn get(&self, key: &Key) -> Option<&Record> {
        self.records.get(key)
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.records.remove(key);
    }

    pub(super) fn insert(&mut self, key: &Key, record: Record, now: Timestamp) {
        self.records.insert(key.clone(), record);
        if self.records.len() > self.sweep_at {
            self.records.retain(|_, record| !record.is_expired(now));
            // Looked for again when the map has doubled, so that each insertion pays for a constant share.
            self.sweep_at = self.records.len() * 2 + 16;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Record)> {
        self.records.iter()
    }

    /// Forgets up to `limit` expired records.
    pub(super) fn sweep(&mut self, limit: usize, now: Timestamp) -> usize {
        let mut swept = 0;
        self.records.retain(|_, record| {
            let goes = swept < limit && record.is_expired(now);
            swept += usize::from(goes);
            !goes
        });
        swept
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }
}
