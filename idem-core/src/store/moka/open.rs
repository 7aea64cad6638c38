//! The records of one share of the keys: those that are open, and where those lie that are done.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::clock::Timestamp;
use crate::key::{Key, Prehashed};
use crate::record::Record;

#[derive(Default)]
pub(super) struct Open {
    records: HashMap<Key, Record, Prehashed>,
    /// At how many records the expired ones are looked for next.
    sweep_at: usize,
    /// Records that moka keeps, as long as it does.
    done: HashMap<Key, Weak<Record>, Prehashed>,
    /// At how many of them those are looked for next that it does not keep any more.
    tidy_at: usize,
}

impl Open {
    pub(super) fn done(&self, key: &Key) -> Option<Arc<Record>> {
        self.done.get(key)?.upgrade()
    }

    /// The key's record is one that moka keeps.
    pub(super) fn is_done(&mut self, key: &Key, record: &Arc<Record>) {
        self.records.remove(key);
        self.done.insert(key.clone(), Arc::downgrade(record));
        if self.done.len() > self.tidy_at {
            self.tidy();
        }
    }

    /// Lets go of what moka does not keep any more.
    pub(super) fn tidy(&mut self) {
        self.done.retain(|_, record| record.strong_count() > 0);
        self.tidy_at = self.done.len() * 2 + 16;
    }

    pub(super) fn is_done_no_more(&mut self, key: &Key) {
        self.done.remove(key);
    }

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
