//! A directory for a test's files, and what tests ask again and again.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use idem_core::{Claim, Claimed, Completion, Ending, Finish, Grant, Key, Owner, Ownership, Payload, Store};
use idem_sqlite::SqliteStore;
use rusqlite::Connection;

pub(crate) const LEASE: Duration = Duration::from_secs(600);
pub(crate) const TTL: Duration = Duration::from_secs(3600);

/// A directory that goes with the test.
#[derive(Debug)]
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("idem-sqlite-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&dir); // of a process long gone
        std::fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("idem.db")
    }

    pub(crate) async fn store(&self) -> SqliteStore {
        SqliteStore::open(self.file()).await.unwrap()
    }

    /// Somebody else's connection.
    pub(crate) fn sql(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }

    /// How many transactions have written something: their last frames in the log. Right as long as the log has not begun
    /// anew, which it does after a thousand pages.
    pub(crate) fn commits(&self) -> usize {
        let log = std::fs::read(self.0.join("idem.db-wal")).unwrap_or_default();
        let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap()) as usize;
        if log.len() < 32 {
            return 0;
        }
        let (page, salt) = (number(8), &log[16..24]);
        let frames = (32..log.len()).step_by(24 + page).take_while(|at| at + 24 <= log.len());
        frames.filter(|at| log[at + 8..at + 16] == *salt && number(at + 4) != 0).count()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn key(part: impl idem_core::KeyPart) -> Key {
    Key::new("test", "test.op", &part).unwrap()
}

pub(crate) fn claim() -> Claim {
    Claim::new(Owner::random(), LEASE, TTL)
}

pub(crate) fn completed(bytes: &[u8]) -> Ending {
    Ending::Completed(Completion::Result(Payload::from_bytes(bytes)))
}

pub(crate) async fn granted(store: &SqliteStore, key: &Key, claim: &Claim) -> Grant {
    match store.claim(key, claim).await.unwrap() {
        Claimed::Granted(grant) => grant,
        other => panic!("not granted: {other:?}"),
    }
}

/// A call from its beginning to its end.
pub(crate) async fn call(store: &SqliteStore, key: &Key, result: &[u8]) {
    let claim = claim();
    granted(store, key, &claim).await;
    assert_eq!(store.finish(key, &Finish::new(claim.owner, completed(result))).await.unwrap(), Ownership::Held);
}

/// What whoever asks is told.
pub(crate) async fn result(store: &SqliteStore, key: &Key) -> Option<Vec<u8>> {
    match store.claim(key, &claim()).await.unwrap() {
        Claimed::Completed(done) => match done.completion {
            Completion::Result(payload) => Some(payload.as_bytes().to_vec()),
            _ => None,
        },
        _ => None,
    }
}
