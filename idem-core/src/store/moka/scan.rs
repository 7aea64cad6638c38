//! What reads all records: listing, sweeping, and making room.

use super::limits::Exceeded;
use super::{CompletedRecord, MokaStore, Shard};
use crate::key::Key;
use crate::record::Record;
use crate::store::{Cursor, List, Listed, Page};

impl MokaStore {
    pub(super) fn page(&self, list: &List) -> Page {
        let now = self.inner.clock.now();
        let after = list.after.as_ref().map(Cursor::as_bytes);
        let is_listed = |key: &Key, record: &Record| {
            let bytes = key.as_bytes();
            let is_wanted = bytes.starts_with(&list.prefix) && after.is_none_or(|after| bytes > after);
            is_wanted && !record.is_expired(now) && !record.is_blank()
        };
        // All shards stay locked; otherwise a record that is completed meanwhile could be missed in both places.
        let shards: Vec<_> = self.inner.open.each().collect();
        let open = shards.iter().flat_map(|open| open.iter()).filter(|(key, record)| is_listed(key, record));
        let mut records: Vec<_> = open.map(|(key, record)| (key.clone(), record.clone())).collect();
        let completed = self.inner.completed.iter().filter(|(key, done)| is_listed(key, &done.record));
        records.extend(completed.map(|(key, done)| ((*key).clone(), done.record.clone())));
        drop(shards);
        records.sort_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
        let has_more = records.len() > list.limit;
        records.truncate(list.limit);
        let next = records.last().filter(|_| has_more).map(|(key, _)| Cursor::from_bytes(key.as_bytes()));
        Page::new(records.into_iter().map(|(key, record)| Listed::new(key, Ok(record))).collect(), next)
    }

    /// Deletes up to `limit` expired records, and returns how many it deleted.
    pub(super) fn purge(&self, limit: usize) -> usize {
        let now = self.inner.clock.now();
        let mut purged = self.take_open(limit, |record| record.is_expired(now));
        for (key, done) in &self.inner.completed {
            if purged < limit && done.record.is_expired(now) {
                purged += usize::from(self.remove_completed(&key, |done| done.record.is_expired(now)));
            }
        }
        purged
    }

    /// Makes room: deletes expired records, and with [`WhenFull::ForgetOldest`](super::WhenFull) the oldest completed ones.
    pub(super) fn make_room(&self, added: Exceeded) {
        // A refused result is lost for good, so every owner that finishes may scan.
        if added.0 == 0 || self.limits().is_some_and(|mut limits| limits.may_scan(self.inner.clock.now())) {
            self.purge(usize::MAX);
            // A blank record holds only a fence, and a new fence is above it while the clock rises.
            self.take_open(usize::MAX, Record::is_blank);
            self.inner.completed.run_pending_tasks();
        }
        // `limits` is not locked while moka works: its listener locks it.
        let oldest = || self.limits()?.pop_oldest(added);
        while let Some((sequence, key)) = oldest() {
            let is_removed = self.remove_completed(&key, |done| done.sequence == sequence);
            self.limits().into_iter().for_each(|mut limits| limits.forgotten += u64::from(is_removed));
        }
    }

    fn take_open(&self, limit: usize, matches: impl Fn(&Record) -> bool) -> usize {
        let mut taken = 0;
        for mut open in self.inner.open.each() {
            taken += self.take(&mut open, limit - taken, &matches);
        }
        taken
    }

    /// Removes up to `limit` records that match, and returns how many it removed.
    pub(super) fn take(&self, open: &mut Shard, limit: usize, matches: impl Fn(&Record) -> bool) -> usize {
        let keys = open.iter().filter(|(_, record)| matches(record)).map(|(key, _)| key.clone());
        let keys: Vec<_> = keys.take(limit).collect();
        keys.iter().for_each(|key| self.count_removed(key, open.remove(key)));
        keys.len()
    }

    /// Checks again under the lock: the key may have another record by now.
    fn remove_completed(&self, key: &Key, matches: impl Fn(&CompletedRecord) -> bool) -> bool {
        let _open = self.inner.open.lock(key);
        let is_found = self.inner.completed.get(key).is_some_and(|done| matches(&done));
        if is_found {
            self.inner.completed.invalidate(key);
        }
        is_found
    }
}
