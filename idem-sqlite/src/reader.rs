//! The threads that read. They see what was committed last, and lock nothing.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use idem_core::{Clock, Cursor, List, Listed, Page};
use rusqlite::Connection;

use crate::error::SqliteError;
use crate::rows::{signed, Rows};
use crate::writer::Job;

/// How many bytes of records go on one page, more or less.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Something to be looked up.
pub(crate) type Read = Box<dyn FnOnce(&mut Reader<'_>) + Send>;

/// What a reading thread has.
pub(crate) struct Reader<'c> {
    pub(crate) rows: Rows<'c>,
    pub(crate) clock: &'c dyn Clock,
    writer: &'c Sender<Box<dyn Job>>,
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// The thread's work, until nobody can ask any more. Threads take turns at the queue.
pub(crate) fn work(
    connection: &Connection,
    clock: &dyn Clock,
    queue: &Mutex<Receiver<Read>>,
    writer: &Sender<Box<dyn Job>>,
) {
    let mut reader = Reader { rows: Rows::new(connection), clock, writer };
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(read) = next() {
        read(&mut reader);
    }
}

impl Reader<'_> {
    /// Hands on what has to be written. If the writer is gone its caller learns it from the reply that is dropped.
    pub(crate) fn write(&self, job: Box<dyn Job>) {
        let _ = self.writer.send(job);
    }

    /// A page, in the order of the keys' bytes.
    pub(crate) fn page(&mut self, list: &List) -> Result<Page, SqliteError> {
        let now = signed(self.clock.now().as_micros());
        // No key lies between one and the same with a zero behind it.
        let after = list.after.as_ref().map(|after| [after.as_bytes(), &[0]].concat()).unwrap_or_default();
        let from = list.prefix.as_slice().max(&after);
        let (mut records, mut last, mut rows, mut bytes) = (Vec::new(), None, 0, 0);
        self.rows.page(from, list.limit, |listing| {
            if !listing.name.starts_with(&list.prefix) {
                last = None;
                rows = 0;
                return false;
            }
            rows += 1;
            bytes += listing.bytes;
            last = Some(Cursor::from_bytes(listing.name.as_slice()));
            // Rows that are over are as good as deleted; a key that is none was put there by somebody else.
            if let Some(key) = listing.key.filter(|_| listing.expires_at > now) {
                if !listing.record.as_ref().is_ok_and(idem_core::Record::is_blank) {
                    records.push(Listed::new(key, listing.record));
                }
            }
            if bytes >= PAGE_BYTES {
                rows = list.limit;
            }
            bytes < PAGE_BYTES
        })?;
        Ok(Page::new(records, last.filter(|_| rows >= list.limit)))
    }
}
