//! A file for each row, and the row's own clock.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use idem::Timestamp;
use idem_sqlite::SqliteStore;
use idem_testing::Clock;

use crate::timed::{apart, Timed, START};
use crate::turn::{Turn, Turns};

/// What the row's clock shows, where tokio's is not the row's.
#[derive(Debug, Clone)]
struct Shown(Arc<AtomicU64>);

impl idem::Clock for Shown {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) fn store(clock: Clock) -> (Timed, Turn) {
    static TURNS: Turns = Turns::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("idem-{}-{}.db", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let file = std::env::temp_dir().join(name);
    let shown = Shown(Arc::new(AtomicU64::new(START)));
    let store = apart(async { SqliteStore::builder(&file).clock(shown.clone()).open().await.expect("a store") });
    let turn = TURNS.take().then(move || remove(&file));
    (Timed::new(store, clock, move |now| shown.0.store(now, Ordering::SeqCst)), turn)
}

fn remove(file: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut file = file.to_path_buf().into_os_string();
        file.push(end);
        let _ = fs::remove_file(file);
    }
}
