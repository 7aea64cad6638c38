//! What is done: moka keeps it, for as long as it is to be kept, and a table of this share of the keys knows where.
//!
//! moka's own look at a key also counts it, for a choice among unexpired records that is never made here.

use std::borrow::Borrow;
use std::sync::{Arc, Weak};

use hashbrown::HashTable;

use crate::key::Key;
use crate::record::Record;

/// A done operation.
#[derive(Debug)]
pub(super) struct Done {
    /// moka's own key, too.
    pub(super) key: Arc<Key>,
    pub(super) record: Record,
}

impl Done {
    pub(super) fn new(key: &Key, record: Record) -> Arc<Self> {
        Arc::new(Self { key: Arc::new(key.clone()), record })
    }
}

/// A key in moka. It does not hold the record: of keys that are gone moka lets go late.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Name(pub(super) Arc<Key>);

impl Borrow<Key> for Name {
    fn borrow(&self) -> &Key {
        &self.0
    }
}

/// Where the records lie that moka keeps.
#[derive(Default)]
pub(super) struct Kept {
    records: HashTable<Place>,
    /// At how many of them those are looked for next that moka does not keep any more.
    tidy_at: usize,
}

struct Place {
    hash: u64,
    done: Weak<Done>,
}

impl Kept {
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Done>> {
        let mut found = None;
        self.records.find(key.hash(), |place| {
            found = place.of(key);
            found.is_some()
        });
        found
    }

    pub(super) fn insert(&mut self, done: &Arc<Done>) {
        self.remove(&done.key);
        let place = Place { hash: done.key.hash(), done: Arc::downgrade(done) };
        self.records.insert_unique(place.hash, place, |place| place.hash);
        if self.records.len() > self.tidy_at {
            self.tidy();
        }
    }

    /// Forgets where the key's record lay; and where those did that had its hash and are gone, or a key that is done again and
    /// again would have to be looked for among all of them.
    pub(super) fn remove(&mut self, key: &Key) {
        let is_its = |place: &Place| place.done.upgrade().is_none_or(|done| *done.key == *key);
        while let Ok(place) = self.records.find_entry(key.hash(), |place| place.hash == key.hash() && is_its(place)) {
            place.remove();
        }
    }

    /// Lets go of what moka does not keep any more.
    pub(super) fn tidy(&mut self) {
        self.records.retain(|place| place.done.strong_count() > 0);
        // Looked for again when there are twice as many, so that each insertion pays for a constant share.
        self.tidy_at = self.records.len() * 2 + 16;
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }
}

impl Place {
    /// The record, if it is this key's and kept.
    fn of(&self, key: &Key) -> Option<Arc<Done>> {
        if self.hash != key.hash() {
            return None;
        }
        self.done.upgrade().filter(|done| *done.key == *key)
    }
}
