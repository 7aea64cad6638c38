//! SQLite, beside bare statements.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use idem::Store;
use idem_benches::report::Report;
use idem_sqlite::SqliteStore;
use rusqlite::{params, Connection};
use tokio::runtime::Runtime;

use crate::remote::{self, Bare, Sample, Setting};

pub(crate) fn run(report: &mut Report) {
    report.part(
        "SQLite",
        "A whole call of the annotated function beside a bare `SELECT`, or two transactions `BEGIN IMMEDIATE`, `INSERT` or `UPDATE`, \
         `COMMIT` of as many bytes, on a connection behind a mutex in the caller's own thread. WAL, `synchronous=FULL`. Calls that come \
         together share a transaction, the bare ones do not. There is no budget.",
    );
    remote::run(report, |runtime| runtime.block_on(OnSqlite::open()));
}

struct OnSqlite {
    store: Arc<dyn Store>,
    bare: Arc<Mutex<Connection>>,
    dir: PathBuf,
}

impl OnSqlite {
    async fn open() -> Self {
        let dir = std::env::temp_dir().join(format!("idem-benches-{}", std::process::id()));
        std::fs::create_dir(&dir).expect("a directory");
        let store = SqliteStore::open(dir.join("idem.db")).await.expect("a store");
        let bare = Connection::open(dir.join("bare.db")).expect("a file");
        bare.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).expect("a log");
        let table = "PRAGMA synchronous = FULL; CREATE TABLE t (key BLOB PRIMARY KEY, record BLOB) WITHOUT ROWID";
        bare.execute_batch(table).expect("a table");
        Self { store: Arc::new(store), bare: Arc::new(Mutex::new(bare)), dir }
    }
}

impl Drop for OnSqlite {
    fn drop(&mut self) {
        // What is left is only in the way.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Setting for OnSqlite {
    type Bare = Rows;
    const NAME: &'static str = "SQLite";
    const BUDGET: Option<f64> = None;

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    fn bare(&self, _: &Runtime, sample: Sample, keys: u64) -> Rows {
        let done = vec![b'x'; HEAD + sample.payload.as_bytes().len()];
        let rows = Rows { bare: Arc::clone(&self.bare), key: sample.key.as_bytes().to_vec(), done };
        let put = "INSERT OR REPLACE INTO t VALUES (?1, ?2)";
        let sqlite = rows.bare.lock().expect("not poisoned");
        sqlite.execute_batch("BEGIN").expect("it begins");
        for id in sample.id..sample.id + keys {
            sqlite.execute(put, params![rows.key(id), rows.done]).expect("written");
        }
        sqlite.execute_batch("COMMIT").expect("it is kept");
        drop(sqlite);
        rows
    }
}

/// A record without its result, about.
const HEAD: usize = 110;

struct Rows {
    bare: Arc<Mutex<Connection>>,
    key: Vec<u8>,
    done: Vec<u8>,
}

impl Rows {
    /// As long as the real one.
    fn key(&self, id: u64) -> Vec<u8> {
        let head = self.key.len().saturating_sub(8);
        [&self.key[..head], &id.to_be_bytes()].concat()
    }

    fn commit(&self, sql: &str, id: u64, record: &[u8]) {
        let sqlite = self.bare.lock().expect("not poisoned");
        sqlite.execute_batch("BEGIN IMMEDIATE").expect("it begins");
        let mut statement = sqlite.prepare(sql).expect("it is a statement");
        statement.execute(params![self.key(id), record]).expect("it is written");
        sqlite.execute_batch("COMMIT").expect("it is kept");
    }
}

impl Bare for Rows {
    async fn replay(&self, id: u64) {
        let sqlite = self.bare.lock().expect("not poisoned");
        let mut get = sqlite.prepare("SELECT record FROM t WHERE key = ?1").expect("it is a statement");
        let record: Vec<u8> = get.query_row(params![self.key(id)], |row| row.get(0)).expect("it is there");
        assert_eq!(record.len(), self.done.len());
    }

    async fn fresh(&self, id: u64) {
        self.commit("INSERT INTO t VALUES (?1, ?2)", id, &[b'r'; HEAD]);
        self.commit("UPDATE t SET record = ?2 WHERE key = ?1", id, &self.done);
    }
}
