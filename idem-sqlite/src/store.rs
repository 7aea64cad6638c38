//! The store.

use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::sync::Arc;

use async_trait::async_trait;
use idem_core::{
    Claim, Claimed, Clock, Finish, Key, List, Owner, Ownership, Page, Record, Renew, SaveStep, Settle, Settled, Store,
    StoreError,
};
use tokio::sync::oneshot;

use crate::builder::SqliteStoreBuilder;
use crate::error::SqliteError;
use crate::reader::{Read, Reader};
use crate::sweep::Sweep;
use crate::verb::{Apply, Asked};
use crate::watch::Watch;

/// Keeps records in a SQLite file: durable, and shared by all processes of one machine.
///
/// The data of an answered verb is on the disk. A verb that changes nothing (a replay, a refusal) only reads, without a lock. One
/// thread runs the verbs that write; it puts all waiting verbs into one transaction.
///
/// A clone is the same store. After the drop of the last clone the threads run the verbs that were sent, and end. If a verb's
/// future is dropped, the verb may still be applied.
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    read: Sender<Read>,
    watch: Arc<Watch>,
}

impl SqliteStore {
    /// Opens the store in the file at `path`, with the default settings: see [`SqliteStoreBuilder::open`]. The file may be a
    /// database of your service.
    ///
    /// # Errors
    /// [`SqliteError`] if the store cannot use the database.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, SqliteError> {
        Self::builder(path).open().await
    }

    /// A store with other settings. A path that begins with `file:` is a
    /// [URI](https://www.sqlite.org/uri.html).
    pub fn builder(path: impl Into<PathBuf>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::new(path.into())
    }

    pub(crate) fn new(path: PathBuf, clock: Arc<dyn Clock>, read: Sender<Read>, watch: Arc<Watch>) -> Self {
        Self { inner: Arc::new(Inner { path, clock, read, watch }) }
    }

    /// Runs `look` on a reading thread, and waits for its reply.
    async fn ask<T>(
        &self,
        look: impl FnOnce(&mut Reader<'_>, oneshot::Sender<Result<T, StoreError>>) + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |reader| {
            if !reply.is_closed() {
                look(reader, reply);
            }
        });
        // A thread that has ended dropped the reply.
        let _ = self.inner.read.send(read);
        answer.await.unwrap_or_else(|_| Err(StoreError::unknown(SqliteError::NoThread(None))))
    }

    async fn apply<V: Apply>(&self, key: &Key, verb: V) -> Result<V::Answer, StoreError> {
        let key = key.clone();
        self.ask(move |reader, reply| {
            let asked = Asked { key, verb, answer: None, reply };
            if let Some(asked) = asked.answer_unchanged(&mut reader.rows, reader.clock) {
                reader.write(Box::new(asked));
            }
        })
        .await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        self.apply(key, *claim).await
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        self.apply(key, Renew::new(owner)).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        self.apply(key, finish.clone()).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let key = key.clone();
        self.ask(move |reader, reply| {
            let now = reader.clock.now();
            let found = reader.rows.get(&key).map(|found| found.filter(|record| !record.is_expired(now)));
            let _ = reply.send(found.map_err(SqliteError::not_applied));
        })
        .await
    }

    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        self.apply(key, save.clone()).await
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        self.apply(key, settle.clone()).await
    }

    /// In the order of the keys' bytes. A page ends early after 8 MiB of records.
    async fn list(&self, list: &List) -> Result<Page, StoreError> {
        let list = list.clone();
        self.ask(move |reader, reply| {
            let _ = reply.send(reader.page(&list).map_err(SqliteError::not_applied));
        })
        .await
    }

    /// Deletes at most a thousand records, in one short transaction. Without expired records it starts no transaction. An
    /// unreadable record is deleted when the expiry in its own column is over.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.ask(move |reader, reply| {
            let sweep = Sweep::new(limit, reply);
            let now = reader.clock.now();
            match reader.rows.any_expired(now) {
                Ok(true) => reader.write(Box::new(sweep)),
                Ok(false) => sweep.reply(Ok(0)),
                Err(error) => sweep.reply(Err(error.not_applied())),
            }
        })
        .await
    }

    /// Completes at once if the key's record is not running, and about 5 ms after a change, even by another process.
    async fn changed(&self, key: &Key) {
        self.inner.watch.wait(key).await;
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { path, clock, .. } = &*self.inner;
        f.debug_struct("SqliteStore").field("path", path).field("clock", clock).finish_non_exhaustive()
    }
}
