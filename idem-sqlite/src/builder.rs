//! A store's settings, and its start.

use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use idem_core::Clock;
use tokio::sync::oneshot;

use crate::clock::WallClock;
use crate::connection::{self, unless_busy};
use crate::error::SqliteError;
use crate::store::SqliteStore;
use crate::watch::Watch;
use crate::{reader, schema, writer};

/// Shorter than the engine's `store_timeout`, so that the caller gets the error `Busy` and not a time-out.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// One thread can read a page while the other answers calls.
const READERS: usize = 2;

/// The settings of a [`SqliteStore`]; see [`SqliteStore::builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder opens nothing before `open`"]
pub struct SqliteStoreBuilder {
    path: PathBuf,
    busy_timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl SqliteStoreBuilder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, busy_timeout: BUSY_TIMEOUT, clock: Arc::new(WallClock) }
    }

    /// How long a verb waits for a lock that another connection holds, at most one day. Default: 2 s. A value above the
    /// `store_timeout` of your `Idem` (default: 5 s) has no effect, because the call gives up first.
    pub const fn busy_timeout(mut self, busy_timeout: Duration) -> Self {
        self.busy_timeout = busy_timeout;
        self
    }

    /// Your own clock, for tests. Default: the host's time of day, which all processes of a machine share. Do not use a
    /// [`SystemClock`](idem_core::SystemClock): each process has its own.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Opens the database, and creates the file and the tables if they are missing. Several processes may do so at once. It
    /// switches the file to a write-ahead log, which stays on.
    ///
    /// It works on any executor, because the store has its own threads.
    ///
    /// # Errors
    /// [`SqliteError`] if the store cannot use the database. It then changed nothing in it, except perhaps the journal mode.
    ///
    /// # Cancel safety
    /// A dropped `open` closes everything that it opened.
    pub async fn open(self) -> Result<SqliteStore, SqliteError> {
        let (reply, opened) = oneshot::channel();
        spawn("idem-sqlite-open", move || {
            // If `open` was dropped, this drops the store.
            let _ = reply.send(self.start());
        })?;
        opened.await.unwrap_or(Err(SqliteError::NoThread(None)))
    }

    fn start(self) -> Result<SqliteStore, SqliteError> {
        let Self { path, busy_timeout, clock } = self;
        let writing = connection::writing(&path, busy_timeout)?;
        unless_busy(busy_timeout, || schema::ensure(&writing))?;
        let watch = Arc::new(Watch::new(path.clone(), busy_timeout));
        let (write, jobs) = channel();
        spawn("idem-sqlite-write", {
            let (clock, watch) = (clock.clone(), watch.clone());
            move || writer::work(&writing, &*clock, &jobs, &watch)
        })?;
        let (read, reads) = channel();
        let reads = Arc::new(Mutex::new(reads));
        for _ in 0..READERS {
            let reading = connection::reading(&path, busy_timeout)?;
            let (clock, reads, write) = (clock.clone(), reads.clone(), write.clone());
            spawn("idem-sqlite-read", move || reader::work(&reading, &*clock, &reads, &write))?;
        }
        Ok(SqliteStore::new(path, clock, read, watch))
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), SqliteError> {
    let spawned = thread::Builder::new().name(name.into()).spawn(work);
    spawned.map(drop).map_err(|error| SqliteError::NoThread(Some(error.into())))
}
