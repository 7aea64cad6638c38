//! A store by its verbs: records in memory, and on the disk before anybody hears of them.

mod file;
mod line;
mod look;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use idem::{
    transition, Change, Claim, Claimed, Clock, Finish, Key, List, Owner, Ownership, Page, Record, Renew, Settle,
    Settled, Store, StoreError, Timestamp,
};
use tokio::sync::Mutex;

pub(crate) use self::file::is_in;
use self::file::JournalFile;
use crate::AnyError;

/// Records that outlive their process, for one process at a time.
///
/// Every change is a line at the end of a file, and on the disk before it is answered. When the file is opened, records
/// whose retention is over and lines that others went over are left out of it.
///
/// What it does not promise:
/// - **It is one process.** A second one that opens it is told so. On a file system without locks nobody is.
/// - **It is slow**: verbs wait for each other, and each change for the disk. `Tiered` in front of it answers replays
///   from memory.
/// - **All records are in memory**, and while nobody calls `sweep`, the file grows until it is opened again.
/// - **After a write that failed** nothing is written any more; what is known is still answered. Open it again: whether
///   that last change is there is seen then.
/// - **A damaged line** keeps it from being opened, and somebody has to look at it. Only a last line without its end is
///   nobody's loss: it was never answered. Damage is noticed, forgery is not.
#[derive(Clone)]
pub(crate) struct Journal(Arc<Mutex<Inner>>);

/// By the bytes of their keys, and as bytes: what a newer build wrote is kept as it is.
type Records = BTreeMap<Vec<u8>, Vec<u8>>;

struct Inner {
    clock: Box<dyn Clock>,
    records: Records,
    file: JournalFile,
}

impl Journal {
    /// The journal in a directory; a new one, if there is none.
    pub(crate) fn open(dir: &Path, clock: impl Clock) -> Result<Self, AnyError> {
        let now = clock.now();
        let (file, records) = JournalFile::open(dir, |key, record| is_over(key, record, now))?;
        Ok(Self(Arc::new(Mutex::new(Inner { clock: Box::new(clock), records, file }))))
    }

    /// Works on the records, one after the other, where waiting for the disk holds nobody up: on a runtime's own threads it
    /// would keep leases from being renewed.
    ///
    /// Whoever stops waiting does not stop work that has begun. That is an answer that was lost, which every verb bears.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut inner = Arc::clone(&self.0).lock_owned().await;
        let work = tokio::task::spawn_blocking(move || work(&mut inner));
        work.await.unwrap_or_else(|error| Err(StoreError::unknown(error)))
    }

    /// The lock is held until the change is on the disk: nobody is told of what a power cut could undo.
    async fn apply<A: Send + 'static>(
        &self,
        key: &Key,
        verb: impl FnOnce(Option<&Record>, Timestamp) -> (Change, A) + Send + 'static,
    ) -> Result<A, StoreError> {
        let key = key.clone();
        self.work(move |inner| {
            let found = inner.find(&key)?;
            let (change, answer) = verb(found.as_ref(), inner.clock.now());
            if let Change::Write(record) = change {
                let record = record.to_bytes(&key);
                inner.file.append(key.as_bytes(), &record)?;
                inner.records.insert(key.as_bytes().to_vec(), record);
            }
            Ok(answer)
        })
        .await
    }
}

#[async_trait]
impl Store for Journal {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        let claim = *claim;
        self.apply(key, move |found, now| transition(found, &claim, now)).await
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        self.apply(key, move |found, now| transition(found, Renew::new(owner), now)).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        let finish = finish.clone();
        self.apply(key, move |found, now| transition(found, &finish, now)).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let key = key.clone();
        self.work(move |inner| {
            let now = inner.clock.now();
            Ok(inner.find(&key)?.filter(|record| !record.is_expired(now)))
        })
        .await
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        let settle = settle.clone();
        self.apply(key, move |found, now| transition(found, settle, now)).await
    }

    /// In the order of the keys' bytes.
    async fn list(&self, list: &List) -> Result<Page, StoreError> {
        let list = list.clone();
        self.work(move |inner| Ok(inner.page(&list))).await
    }

    /// It also makes the file shorter, when most of its lines are of no use any more.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.work(move |inner| {
            let swept = inner.take_back(limit);
            inner.file.shorten(&inner.records)?;
            Ok(swept)
        })
        .await
    }
}

impl Inner {
    fn find(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let found = self.records.get(key.as_bytes()).map(|bytes| Record::from_bytes(bytes, key));
        found.transpose().map_err(StoreError::unreadable)
    }
}

/// Whether a record's retention is over. What cannot be read is kept for the build that can.
fn is_over(key: &[u8], record: &[u8], now: Timestamp) -> bool {
    let record = Key::from_bytes(key).and_then(|key| Record::from_bytes(record, &key).ok());
    record.is_some_and(|record| record.is_expired(now))
}

/// Without the records: they are the clients' own.
impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
