//! The stored format is frozen: `tests/golden` holds a row of each kind.
//!
//! `IDEM_GOLDEN=write cargo test -p idem-sqlite golden` writes the file if it is missing and never overwrites one.

use std::path::{Path, PathBuf};

use idem_core::{
    Claim, Claimed, Clock, Completion, Ending, Fingerprint, Finish, Key, Owner, Ownership, Store, Timestamp,
};
use idem_sqlite::SqliteStore;

use crate::support::{completed, result, Dir, LEASE, TTL};

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000)
    }
}

const KINDS: [&str; 6] = ["unknown", "blank", "completed", "failed", "running", "unreplayable"];

fn key(kind: &str) -> Key {
    Key::new("billing", "payments.charge", &(kind, 7, &b"\xff"[..])).unwrap()
}

fn claim() -> Claim {
    let claim = Claim::new(Owner::from_bytes(*b"sixteen bytes..."), LEASE, TTL).at_most_once(true);
    claim.fingerprint(Some(Fingerprint::of(&"an order").unwrap()))
}

async fn store(dir: &Dir) -> SqliteStore {
    SqliteStore::builder(dir.file()).clock(Stopped).open().await.unwrap()
}

fn dump(dir: &Dir) -> String {
    let sql = dir.sql();
    let lines = |query: &str| -> String {
        let mut query = sql.prepare(query).unwrap();
        let lines = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
        lines.map(|line| line.unwrap() + ";\n").collect()
    };
    lines("SELECT sql FROM sqlite_master WHERE name LIKE 'idem%' AND sql NOT NULL ORDER BY type DESC, name DESC")
        + &lines("SELECT 'INSERT INTO idem_schema VALUES (' || id || ', ' || version || ', ' || fence_floor || ')' FROM idem_schema")
        + &lines(
            "SELECT 'INSERT INTO idem_records VALUES (' || quote(key) || ', ' || quote(record) || ', ' ||
            quote(operation) || ', ' || quote(state) || ', ' || fence || ', ' || expires_at || ')'
            FROM idem_records ORDER BY key",
        )
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1.sql")
}

fn golden() -> String {
    std::fs::read_to_string(file()).expect("the golden file: IDEM_GOLDEN=write makes it")
}

#[tokio::test]
async fn rows_are_written_as_the_golden_file_says() {
    let dir = Dir::new();
    let store = store(&dir).await;
    for kind in KINDS {
        let (key, claim) = (key(kind), claim());
        assert!(matches!(store.claim(&key, &claim).await.unwrap(), Claimed::Granted(_)));
        let ending = match kind {
            "unknown" => Ending::Unknown,
            "blank" => Ending::Withdrawn,
            "completed" => completed(b"\x01\x01\x00checksum{\"id\":7}"),
            "failed" => Ending::Failed,
            "unreplayable" => Ending::Completed(Completion::Unreplayable),
            _ => continue,
        };
        assert_eq!(store.finish(&key, &Finish::new(claim.owner, ending)).await.unwrap(), Ownership::Held);
    }
    let path = file();
    if std::env::var_os("IDEM_GOLDEN").is_some() && !path.exists() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, dump(&dir)).unwrap();
    }
    assert_eq!(dump(&dir), golden());
}

#[tokio::test]
async fn golden_rows_are_read() {
    let dir = Dir::new();
    dir.sql().execute_batch(&golden()).unwrap();
    let store = store(&dir).await;
    assert_eq!(result(&store, &key("completed")).await.as_deref(), Some(&b"\x01\x01\x00checksum{\"id\":7}"[..]));
    for kind in KINDS {
        let record = store.load(&key(kind)).await.unwrap().expect("it is there");
        assert_eq!(record.owner, claim().owner, "{kind}");
        assert_eq!((record.is_blank(), record.fence), (kind == "blank", 1_700_000_000_000_000), "{kind}");
    }
    assert_eq!(store.renew(&key("running"), claim().owner).await.unwrap(), Ownership::Held);
    assert_eq!(
        store.claim(&key("unknown"), &Claim::new(Owner::random(), LEASE, TTL)).await.unwrap(),
        Claimed::indeterminate(1)
    );
}

/// The page's query for a shell.
#[tokio::test]
async fn a_shell_can_read_results() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sqlite.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let (_, query) = page.split_once("```sql\n").unwrap();
    let (query, _) = query.split_once("```").unwrap();
    let dir = Dir::new();
    dir.sql().execute_batch(&golden()).unwrap();
    let sql = dir.sql();
    let mut rows = sql.prepare(query).unwrap();
    let results = rows.query_map([], |row| Ok((row.get("state")?, row.get("result")?))).unwrap();
    let results: Vec<(String, Option<String>)> = results.map(Result::unwrap).collect();
    assert!(results.contains(&("completed".into(), Some("{\"id\":7}".into()))), "{results:?}");
    assert_eq!(results.len(), KINDS.len());
}
