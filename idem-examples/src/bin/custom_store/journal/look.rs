//! Going through all records: to list them, and to forget those that are over.

use std::ops::Bound::{Excluded, Included, Unbounded};

use idem::{Cursor, Key, List, Listed, Page, Record};

use super::{is_over, Inner};

impl Inner {
    pub(super) fn page(&self, list: &List) -> Page {
        let now = self.clock.now();
        let from = match &list.after {
            Some(after) => Excluded(after.as_bytes()),
            None => Included(&*list.prefix),
        };
        let under = self.records.range::<[u8], _>((from, Unbounded));
        let under = under.take_while(|(key, _)| key.starts_with(&list.prefix));
        let mut shown = under.filter_map(|(key, record)| {
            let key = Key::from_bytes(key)?;
            match Record::from_bytes(record, &key) {
                Ok(record) if record.is_expired(now) || record.is_blank() => None,
                record => Some(Listed::new(key, record)),
            }
        });
        let records: Vec<_> = shown.by_ref().take(list.limit).collect();
        let next = shown.next().and(records.last()).map(|last| Cursor::from_bytes(last.key.as_bytes()));
        Page::new(records, next)
    }

    pub(super) fn take_back(&mut self, limit: usize) -> usize {
        let (now, mut taken) = (self.clock.now(), 0);
        self.records.retain(|key, record| {
            let goes = taken < limit && is_over(key, record, now);
            taken += usize::from(goes);
            !goes
        });
        taken
    }
}
