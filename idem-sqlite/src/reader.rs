//! The threads that read. They see the last COMMIT and take no lock.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use idem_core::{Clock, Cursor, List, Listed, Page};
use rusqlite::Connection;

use crate::error::SqliteError;
use crate::rows::{signed, Rows};
use crate::writer::Job;

/// About how many bytes of records one page contains.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// A request for a reading thread.
pub(crate) type Read = Box<dyn FnOnce(&mut Reader<'_>) + Send>;

/// The state of a reading thread.
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

/// Runs a reading thread until the store is dropped. The threads take turns at the queue.
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
    /// Sends a job to the writer. If the writer has ended, the job's reply is dropped, which tells the caller.
    pub(crate) fn write(&self, job: Box<dyn Job>) {
        let _ = self.writer.send(job);
    }

    /// A page, in the order of the keys' bytes.
    pub(crate) fn page(&mut self, list: &List) -> Result<Page, SqliteError> {
        let now = signed(self.clock.now().as_micros());
        // No key sorts between a key and that key followed by a zero byte.
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
            // Skip expired rows, and rows of another program whose key is not valid.
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
