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

/// Records in a SQLite file: durable, and shared by all processes of one machine.
///
/// A verb that was answered is on the disk. What changes nothing (a replay, a refusal) reads and locks nothing; what writes
/// goes through one thread, which puts all that wait into one transaction.
///
/// A clone is the same store. Its threads end when the last clone is dropped, after what was asked until then. A verb's future
/// may be dropped: the verb may be applied all the same.
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
    /// Opens the store in the file at `path`, which may be a database of your service's own, with the default settings:
    /// see [`SqliteStoreBuilder::open`].
    ///
    /// # Errors
    /// [`SqliteError`] when the database does not serve.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, SqliteError> {
        Self::builder(path).open().await
    }

    /// A store with settings of its own. A path that begins with `file:` is a
    /// [URI](https://www.sqlite.org/uri.html).
    pub fn builder(path: impl Into<PathBuf>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::new(path.into())
    }

    pub(crate) fn new(path: PathBuf, clock: Arc<dyn Clock>, read: Sender<Read>, watch: Arc<Watch>) -> Self {
        Self { inner: Arc::new(Inner { path, clock, read, watch }) }
    }

    /// Has a reading thread do something, and waits for what comes of it.
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
        // A thread that is gone has dropped the reply.
        let _ = self.inner.read.send(read);
        answer.await.unwrap_or_else(|_| Err(StoreError::unknown(SqliteError::NoThread(None))))
    }

    async fn apply<V: Apply>(&self, key: &Key, verb: V) -> Result<V::Answer, StoreError> {
        let key = key.clone();
        self.ask(move |reader, reply| {
            let asked = Asked { key, verb, answer: None, reply };
            if let Some(asked) = asked.look(&mut reader.rows, reader.clock) {
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

    /// A thousand at most, in one short transaction; none, if there is nothing to delete. An unreadable record goes when the
    /// time is over that was written beside it.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.ask(move |reader, reply| {
            let sweep = Sweep::new(limit, reply);
            let now = reader.clock.now();
            match reader.rows.any_over(now) {
                Ok(true) => reader.write(Box::new(sweep)),
                Ok(false) => sweep.reply(Ok(0)),
                Err(error) => sweep.reply(Err(error.not_applied())),
            }
        })
        .await
    }

    /// Completes at once when nobody is at work on the key, also in another process, and within some 5 ms of the change.
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
