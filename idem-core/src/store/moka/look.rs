//! Going through all records: to list them, to take expired ones back, and to make room.

use super::limits::{Limits, NoRoom};
use super::MokaStore;
use crate::key::Key;
use crate::store::{Cursor, List, Listed, Page};

impl MokaStore {
    pub(super) fn page(&self, list: &List) -> Page {
        let now = self.inner.clock.now();
        let after = list.after.as_ref().map(Cursor::as_bytes);
        let wanted =
            |key: &Key| key.as_bytes().starts_with(&list.prefix) && after.is_none_or(|after| key.as_bytes() > after);
        let mut records = Vec::new();
        // All at once: whatever moves from one to the other would else be seen in neither.
        let all: Vec<_> = self.inner.open.each().collect();
        for open in &all {
            records
                .extend(open.iter().filter(|(key, _)| wanted(key)).map(|(key, record)| (key.clone(), record.clone())));
        }
        let done = self.inner.done.iter().filter(|(_, done)| wanted(&done.key));
        records.extend(done.map(|(_, done)| ((*done.key).clone(), done.record.clone())));
        drop(all);
        records.retain(|(_, record)| !record.is_expired(now) && !record.is_blank());
        records.sort_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
        let more = records.len() > list.limit;
        records.truncate(list.limit);
        let next = records.last().filter(|_| more).map(|(key, _)| Cursor::from_bytes(key.as_bytes()));
        Page::new(records.into_iter().map(|(key, record)| Listed::new(key, Ok(record))).collect(), next)
    }

    pub(super) fn take_back(&self, limit: usize) -> usize {
        let now = self.inner.clock.now();
        let mut taken = 0;
        for mut open in self.inner.open.each() {
            open.done.tidy();
            let swept = open.sweep(limit - taken, now);
            taken += swept.len();
            if let Some(limits) = &self.inner.limits {
                swept.iter().for_each(|(key, record)| limits.left(key, record));
            }
        }
        for (_, done) in &self.inner.done {
            if taken == limit {
                break;
            }
            if done.record.is_expired(now) {
                let key = &*done.key;
                // Looked at again, where nobody can write it meanwhile.
                let mut open = self.inner.open.lock(key);
                if open.done.get(key).is_some_and(|done| done.record.is_expired(now)) {
                    open.done.remove(key);
                    self.inner.done.invalidate(key);
                    taken += 1;
                }
            }
        }
        taken
    }

    /// Makes room for what had none: by what has expired, and where that was chosen by what was done first.
    pub(super) fn make_room(&self, wanted: &NoRoom) {
        let Some(limits) = &self.inner.limits else {
            return;
        };
        // An ending is refused for good, so it is always worth a look.
        if wanted.records == 0 || limits.may_look_through(self.inner.clock.now()) {
            self.take_back(usize::MAX);
            self.drop_blanks(limits);
            self.inner.done.run_pending_tasks();
        }
        while !limits.has_room(wanted.records, wanted.bytes) && limits.can_make_room(wanted) {
            let Some((key, fence)) = limits.oldest() else {
                return;
            };
            let mut open = self.inner.open.lock(&key);
            if open.done.get(&key).is_some_and(|done| done.record.fence == fence) {
                open.done.remove(&key);
                self.inner.done.invalidate(&key);
                limits.forgot_one();
            }
        }
    }

    /// What nothing is known of but the fence is worth less than a new key. Fences rise all the same, while the clock does.
    fn drop_blanks(&self, limits: &Limits) {
        for mut open in self.inner.open.each() {
            open.take_blanks().iter().for_each(|(key, record)| limits.left(key, record));
        }
    }

    pub(super) fn is_done(&self, key: &Key, fence: u64) -> bool {
        self.inner.done.get(key).is_some_and(|done| done.record.fence == fence)
    }
}
