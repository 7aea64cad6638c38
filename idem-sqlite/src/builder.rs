//! A store's settings, and how it starts.

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

/// Below the engine's `store_timeout`, so that a caller learns what kept the store.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// One looks up a page while another answers calls.
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

    /// How long a verb waits for the lock that another connection has, a day at most. Default: two seconds. Longer than the
    /// `store_timeout` of your `Idem` (five seconds, if you did not set it) is of no use.
    pub const fn busy_timeout(mut self, busy_timeout: Duration) -> Self {
        self.busy_timeout = busy_timeout;
        self
    }

    /// A clock of yours, for tests. Default: the host's time of day, which all processes of a machine share; a
    /// [`SystemClock`](idem_core::SystemClock) is each process's own, and will not do.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Opens the database, and makes the file and the tables where they are missing; any number of processes may do so at
    /// once. The file is switched to a write-ahead log, and stays so.
    ///
    /// Runs on any executor: threads of the store's own do the work. A dropped `open` leaves nothing open.
    ///
    /// # Errors
    /// [`SqliteError`] when the database does not serve. Nothing in it was changed then, but perhaps its journal mode.
    pub async fn open(self) -> Result<SqliteStore, SqliteError> {
        let (reply, opened) = oneshot::channel();
        spawn("idem-sqlite-open", move || {
            // Whoever asked may have gone; then the store goes, too.
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
