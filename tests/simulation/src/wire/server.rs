//! The store: one map, and `transition`.

use std::collections::BTreeMap;
use std::sync::Arc;

use idem::{
    transition, Change as Verdict, Claim, Claimed, Completion, Ending, Finish, Key, Owner, Ownership, Record, Renew,
    Settle, Settled, StoreError, Timestamp, Verb,
};
use tokio::sync::Notify;

use super::note::{Change, Note};

/// What the store's clock shows when a world begins: a day in November 2023.
pub(super) const START: i64 = 1_700_000_000_000_000;

/// A request.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // The verbs of `Store`, and of `ConditionalStore`.
pub enum Ask {
    Claim(Claim),
    Renew(Owner),
    Finish(Finish),
    Load,
    Settle(Settle),
    Sweep(usize),
    Get,
    Put(Option<u64>, Vec<u8>),
}

/// An answer.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Told {
    Claimed(Claimed),
    Held(Ownership),
    Loaded(Option<Record>),
    Settled(Settled),
    Swept(usize),
    Got(Option<(Vec<u8>, u64)>, Timestamp),
    Put(bool),
}

#[derive(Debug)]
pub(super) struct Server {
    keys: Vec<Key>,
    records: BTreeMap<u32, (Record, u64)>,
    written_down: BTreeMap<u32, (Record, u64)>,
    version: u64,
    pub(super) offset: i64,
    hints: Vec<Arc<Notify>>,
}

impl Server {
    pub(super) fn new(keys: Vec<Key>) -> Self {
        let hints = keys.iter().map(|_| Arc::default()).collect();
        Self { keys, records: BTreeMap::new(), written_down: BTreeMap::new(), version: 0, offset: 0, hints }
    }

    pub(super) fn number(&self, key: &Key) -> u32 {
        let number = self.keys.iter().position(|known| known == key);
        u32::try_from(number.expect("a key of this world")).expect("few keys")
    }

    pub(super) fn hint(&self, key: u32) -> Arc<Notify> {
        Arc::clone(&self.hints[key as usize])
    }

    pub(super) fn sync(&mut self) {
        self.written_down.clone_from(&self.records);
    }

    pub(super) fn restart(&mut self) {
        self.records.clone_from(&self.written_down);
    }

    pub(super) fn apply(
        &mut self,
        key: u32,
        call: u32,
        sent: u64,
        ask: Ask,
        now: Timestamp,
        full: bool,
    ) -> (Result<Told, StoreError>, Vec<Note>) {
        let mut verbs = Verbs { server: self, key, call, sent, now, notes: Vec::new() };
        let told = match ask {
            Ask::Claim(claim) => Ok(Told::Claimed(verbs.verb(&claim))),
            Ask::Renew(owner) => Ok(Told::Held(verbs.verb(Renew::new(owner)))),
            Ask::Finish(Finish { ending: Ending::Completed(Completion::Result(_)), .. }) if full => {
                Err(StoreError::refused("full"))
            }
            Ask::Finish(finish) => Ok(Told::Held(verbs.verb(&finish))),
            Ask::Settle(settle) => Ok(Told::Settled(verbs.verb(settle))),
            Ask::Load => Ok(Told::Loaded(verbs.load())),
            Ask::Get => {
                verbs.load();
                let Server { keys, records, .. } = &*verbs.server;
                let of = &keys[key as usize];
                let found = records.get(&key).map(|(record, version)| (record.to_bytes(of), *version));
                Ok(Told::Got(found, now))
            }
            Ask::Put(version, bytes) => Ok(Told::Put(verbs.put(version, &bytes))),
            Ask::Sweep(limit) => {
                let old: Vec<_> = self.records.iter().filter(|(_, (record, _))| record.is_expired(now)).collect();
                let old: Vec<_> = old.into_iter().map(|(key, _)| *key).take(limit).collect();
                old.iter().for_each(|key| drop(self.records.remove(key)));
                return (Ok(Told::Swept(old.len())), Vec::new());
            }
        };
        (told, verbs.notes)
    }
}

struct Verbs<'a> {
    server: &'a mut Server,
    key: u32,
    call: u32,
    sent: u64,
    now: Timestamp,
    notes: Vec<Note>,
}

impl Verbs<'_> {
    fn verb<V: Verb>(&mut self, verb: V) -> V::Answer {
        let before = self.server.records.get(&self.key).map(|(record, _)| record.clone());
        let (change, answer) = transition(before.as_ref(), verb, self.now);
        if let Verdict::Write(after) = change {
            self.write(before, after);
        }
        answer
    }

    fn write(&mut self, before: Option<Record>, after: Record) {
        self.server.version += 1;
        self.server.records.insert(self.key, (after.clone(), self.server.version));
        self.server.hints[self.key as usize].notify_waiters();
        let Self { key, call, sent, now, .. } = *self;
        self.notes.push(Note::Changed(Box::new(Change { key, call, sent, now, before, after })));
    }

    fn load(&mut self) -> Option<Record> {
        let record = self.server.records.get(&self.key).map(|(record, _)| record);
        let record = record.filter(|record| !record.is_expired(self.now)).cloned();
        let fence = record.as_ref().map(|record| record.fence);
        self.notes.push(Note::Loaded { key: self.key, call: self.call, fence });
        record
    }

    fn put(&mut self, version: Option<u64>, bytes: &[u8]) -> bool {
        let found = self.server.records.get(&self.key);
        if found.map(|(_, version)| *version) != version {
            return false;
        }
        let before = found.map(|(record, _)| record.clone());
        let after = Record::from_bytes(bytes, &self.server.keys[self.key as usize]).expect("a record");
        self.write(before, after);
        true
    }
}
