//! The figures of `docs/sqlite.md`, measured here and now: `cargo run --release -p idem-sqlite --example measure [DIRECTORY]`.
#![allow(clippy::expect_used, clippy::unwrap_used)] // a tool

use std::path::Path;
use std::time::{Duration, Instant};

use idem_core::{Claim, Claimed, Completion, Ending, Finish, Key, Owner, Payload, Store};
use idem_sqlite::SqliteStore;
use rusqlite::Connection;

const ROUNDS: usize = 7;
const CALLS: usize = 400;
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() {
    let base = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let dir = base.join(format!("idem-sqlite-measure-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    println!("SQLite {}", rusqlite::version());
    speed(&dir).await;
    size(&dir).await;
    std::fs::remove_dir_all(&dir).unwrap();
}

fn key(n: usize) -> Key {
    Key::new("billing-prod", "payments.charge", &("acme", format!("order-{n:08}-5f1c"))).unwrap()
}

async fn call(store: &SqliteStore, n: usize) {
    let (key, claim) = (key(n), Claim::new(Owner::random(), HOUR, HOUR));
    assert!(matches!(store.claim(&key, &claim).await.unwrap(), Claimed::Granted(_)));
    let result = Completion::Result(Payload::from_bytes(vec![b'x'; 133]));
    store.finish(&key, &Finish::new(claim.owner, Ending::Completed(result))).await.unwrap();
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64)
}

/// Medians of interleaved rounds, in microseconds for one of each.
async fn speed(dir: &Path) {
    let store = SqliteStore::open(dir.join("idem.db")).await.unwrap();
    let bare = Connection::open(dir.join("bare.db")).unwrap();
    bare.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    bare.execute_batch("PRAGMA synchronous = FULL; CREATE TABLE t (key BLOB PRIMARY KEY, record BLOB) WITHOUT ROWID")
        .unwrap();
    let mut times: [Vec<Duration>; 5] = Default::default();
    for round in 0..ROUNDS {
        let first = round * 10 * CALLS;
        let mut timed = |which: usize, began: Instant| times.get_mut(which).unwrap().push(began.elapsed());
        let began = Instant::now();
        for n in 0..CALLS {
            let (key, record) = (key(first + n), [0_u8; 240]);
            let row = rusqlite::params![key.as_bytes(), record.as_slice()];
            bare.execute_batch("BEGIN IMMEDIATE").unwrap();
            bare.execute("INSERT INTO t VALUES (?1, ?2)", row).unwrap();
            bare.execute_batch("COMMIT").unwrap();
        }
        timed(0, began);
        let began = Instant::now();
        for n in 0..CALLS {
            call(&store, first + n).await;
        }
        timed(1, began);
        let began = Instant::now();
        let calls: Vec<_> = (0..CALLS)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move { call(&store, first + CALLS + n).await })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        timed(2, began);
        let began = Instant::now();
        let mut get = bare.prepare("SELECT record FROM t WHERE key = ?1").unwrap();
        for n in 0..CALLS {
            get.query_row([key(first + n).as_bytes()], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        }
        timed(3, began);
        let began = Instant::now();
        for n in 0..CALLS {
            let claim = Claim::new(Owner::random(), HOUR, HOUR);
            assert!(matches!(store.claim(&key(first + n), &claim).await.unwrap(), Claimed::Completed(_)));
        }
        timed(4, began);
    }
    let [commit, alone, together, get, replay] = times.map(|times| median(times) / CALLS as f64 * 1e6);
    println!("bare BEGIN IMMEDIATE, INSERT, COMMIT  {commit:8.1} us");
    println!("a fresh call, one after the other     {alone:8.1} us  {:.2} x two of them", alone / commit / 2.0);
    println!(
        "a fresh call, {CALLS} at once            {together:8.1} us  {:.2} x two of them",
        together / commit / 2.0
    );
    println!("bare SELECT                           {get:8.1} us");
    println!("a replay                              {replay:8.1} us  {:.2} x", replay / get);
}

/// Bytes of the file for each record with a result of 130 bytes.
async fn size(dir: &Path) {
    const RECORDS: usize = 50_000;
    let file = dir.join("size.db");
    let store = SqliteStore::open(&file).await.unwrap();
    for chunk in (0..RECORDS).collect::<Vec<_>>().chunks(500) {
        let calls: Vec<_> = chunk
            .iter()
            .map(|&n| {
                let store = store.clone();
                // In no order, as keys come.
                let n = n.wrapping_mul(2_654_435_761) % 100_000_000;
                tokio::spawn(async move { call(&store, n).await })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
    }
    let sql = Connection::open(&file).unwrap();
    let log = std::fs::metadata(dir.join("size.db-wal")).unwrap().len();
    sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let bytes = std::fs::metadata(&file).unwrap().len() as f64 / RECORDS as f64;
    println!(
        "a record takes {bytes:.0} bytes, {:.1} million fit into a GiB; the log grew to {} KiB",
        1_073.741_824 / bytes,
        log / 1024
    );
}
