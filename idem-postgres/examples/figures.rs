//! The figures of `docs/postgres.md`, on a server of its own: `cargo run --release -p idem-postgres --example figures`.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing)]

use std::future::Future;
use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, Pool};
use idem_core::{Completion, Ending, Finish, Idem, Key, Owner, Payload, Store};
use idem_postgres::PgStore;
use idem_test_servers::{Database, Postgres};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::NoTls;

const ROUNDS: usize = 15;
const CALLS: usize = 300;
const ROWS: u64 = 100_000;
const RESULT: usize = 130;

/// The statements as they are sent, read from the server.
struct Bare {
    pool: Pool,
    claim: String,
    finish: String,
    prepared: bool,
}

const CLAIM: [Type; 9] =
    [Type::BYTEA, Type::BYTEA, Type::BYTEA, Type::BYTEA, Type::BOOL, Type::BOOL, Type::INT8, Type::INT8, Type::TEXT];
const FINISH: [Type; 7] = [Type::BYTEA, Type::BYTEA, Type::TEXT, Type::INT8, Type::BYTEA, Type::BOOL, Type::INT8];

impl Bare {
    async fn send(&self, text: &str, types: &[Type], values: &[&(dyn ToSql + Sync)]) -> Vec<tokio_postgres::Row> {
        let client = self.pool.get().await.unwrap();
        if self.prepared {
            let statement = client.prepare_typed_cached(text, types).await.unwrap();
            client.query(&statement, values).await.unwrap()
        } else {
            let typed: Vec<_> = values.iter().copied().zip(types.iter().cloned()).collect();
            client.query_typed(text, &typed).await.unwrap()
        }
    }

    async fn claim(&self, id: &[u8], key: &[u8], owner: &[u8]) -> usize {
        let (no, lease, ttl) = (false, 15_000_000_i64, 86_400_000_000_i64);
        let values: [&(dyn ToSql + Sync); 9] =
            [&id, &key, &owner, &None::<&[u8]>, &no, &no, &lease, &ttl, &"payments.charge"];
        let rows = self.send(&self.claim, &CLAIM, &values).await;
        rows[0].get::<_, Option<&[u8]>>("result").map_or(0, <[u8]>::len)
    }

    async fn finish(&self, id: &[u8], owner: &[u8], result: &[u8]) {
        let values: [&(dyn ToSql + Sync); 7] = [&id, &owner, &"completed", &3_i64, &Some(result), &false, &-1_i64];
        assert!(self.send(&self.finish, &FINISH, &values).await[0].get::<_, bool>("written"));
    }
}

fn pool(url: &str) -> Pool {
    Pool::builder(Manager::new(url.parse().unwrap(), NoTls)).max_size(16).build().unwrap()
}

/// The last statement of the store's session.
fn sent(database: &Database) -> String {
    let last = "SELECT query FROM pg_stat_activity WHERE application_name = 'idem' AND datname = current_database()";
    database.psql(last)
}

fn key(id: &str) -> Key {
    Key::new("billing", "payments.charge", id).unwrap()
}

fn result() -> String {
    "x".repeat(RESULT - 5)
}

async fn fresh(idem: &Idem, id: &str) {
    idem.operation("payments.charge").key(id).run(async { Ok::<_, ()>(result()) }).await.unwrap();
}

async fn time<F: Future>(mut call: impl FnMut(usize) -> F) -> Duration {
    let start = Instant::now();
    for n in 0..CALLS {
        call(n).await;
    }
    start.elapsed()
}

fn median<T: PartialOrd + Copy>(mut of: Vec<T>) -> T {
    of.sort_by(|a, b| a.partial_cmp(b).unwrap());
    of[of.len() / 2]
}

fn line(what: &str, ours: Vec<Duration>, bare: Vec<Duration>) {
    let ratios = ours.iter().zip(&bare).map(|(ours, bare)| ours.as_secs_f64() / bare.as_secs_f64()).collect();
    let each = |of: Vec<Duration>| median(of).as_secs_f64() * 1e6 / CALLS as f64;
    println!("{what}: {:.0} µs, bare {:.0} µs, ratio {:.3}", each(ours), each(bare), median::<f64>(ratios));
}

async fn speed(prepared: bool) {
    let postgres = Postgres::builder().config("track_activity_query_size = 16384").start();
    let database = postgres.fresh_database();
    let own = PgStore::connect(&database.url()).await.unwrap();
    let (key_bytes, owner) = (key("seen").as_bytes().to_vec(), Owner::random());
    let claim = idem_core::Claim::new(owner, Duration::from_secs(15), Duration::from_secs(86_400));
    own.claim(&key("seen"), &claim).await.unwrap();
    let of_claim = sent(&database);
    let payload = Payload::from_bytes([&b"\x01\x01\x00\""[..], result().as_bytes(), b"\""].concat());
    own.finish(&key("seen"), &Finish::new(owner, Ending::Completed(Completion::Result(payload.clone()))))
        .await
        .unwrap();
    let of_finish = sent(&database);
    let pool = pool(&database.url());
    let bare = Bare { pool: pool.clone(), claim: of_claim, finish: of_finish, prepared };
    let idem = Idem::builder(PgStore::with_pool(pool).prepared(prepared).build().await.unwrap())
        .namespace("billing")
        .build()
        .unwrap();
    let id = hex(&database.psql("SELECT encode(id, 'hex') FROM idem.records"));
    let (mut replay, mut bare_replay, mut run, mut bare_run) = (vec![], vec![], vec![], vec![]);
    for round in 0..=ROUNDS {
        let times = (
            time(|_| fresh(&idem, "seen")).await,
            time(|_| async { assert_eq!(bare.claim(&id, &key_bytes, Owner::random().as_bytes()).await, RESULT) }).await,
            time(|n| {
                let (idem, id) = (idem.clone(), format!("{round} {n}"));
                async move { fresh(&idem, &id).await }
            })
            .await,
            time(|_| async {
                let owner = Owner::random();
                let id = [owner.as_bytes().as_slice(), owner.as_bytes()].concat();
                bare.claim(&id, &key_bytes, owner.as_bytes()).await;
                bare.finish(&id, owner.as_bytes(), payload.as_bytes()).await;
            })
            .await,
        );
        // The first one warms up.
        if round > 0 {
            replay.push(times.0);
            bare_replay.push(times.1);
            run.push(times.2);
            bare_run.push(times.3);
        }
    }
    let how = if prepared { "prepared" } else { "unprepared" };
    line(&format!("replay, {how}"), replay, bare_replay);
    line(&format!("fresh, {how}"), run, bare_run);
    if prepared {
        explain(&database, &bare.claim, &key_bytes);
    }
}

fn explain(database: &Database, claim: &str, key: &[u8]) {
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let id = database.psql("SELECT id FROM idem.records LIMIT 1");
    println!("-- EXPLAIN (ANALYZE, BUFFERS) of a claim that replays");
    println!(
        "{}",
        database.psql(&format!(
            "ANALYZE idem.records; PREPARE claim AS {claim}; EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) \
             EXECUTE claim ('{id}', '\\x{key}', '\\x00', NULL, false, false, 1, 1, 'x')"
        ))
    );
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap()).collect()
}

async fn size() {
    let postgres = Postgres::builder()
        .config("fsync = off")
        .config("synchronous_commit = off")
        .config("track_activity_query_size = 16384")
        .config("max_wal_size = '4GB'")
        .start();
    let database = postgres.fresh_database();
    let store = PgStore::connect(&database.url()).await.unwrap();
    let idem = Idem::builder(store.clone()).namespace("billing").build().unwrap();
    let lsn = || database.psql("SELECT pg_current_wal_lsn()");
    let before = lsn();
    let tasks = (0..16).map(|task| {
        let idem = idem.clone();
        tokio::spawn(async move {
            for n in (task..ROWS).step_by(16) {
                fresh(&idem, &format!("order-{n:08}")).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let wal: f64 = database.psql(&format!("SELECT pg_current_wal_lsn() - '{before}'")).parse().unwrap();
    let sizes = database.psql(
        "SELECT pg_relation_size('idem.records'), pg_relation_size('idem.records_pkey'), \
         pg_relation_size('idem.records_sweep'), pg_total_relation_size('idem.records'), count(*), sum(octet_length(result)) / count(*) FROM idem.records",
    );
    println!("{ROWS} calls: table|key|sweep index|all|rows|bytes of a result: {sizes}");
    let all: f64 = sizes.split('|').nth(3).unwrap().parse().unwrap();
    let each = all / ROWS as f64;
    println!(
        "{each:.0} bytes a record, {:.1} million in a GiB; {:.0} bytes of WAL a fresh call",
        1_073.741_824 / each,
        wal / ROWS as f64
    );
    let hot = "SELECT n_tup_ins, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'records'";
    store.sweep(500).await.unwrap();
    let sessions = "SELECT query FROM pg_stat_activity WHERE application_name = 'idem' AND query LIKE '%due%' LIMIT 1";
    let sweep = database.psql(sessions);
    drop((store, idem));
    println!("inserted|updated|of those HOT: {}", {
        std::thread::sleep(Duration::from_secs(2));
        database.psql(hot)
    });
    for (what, make) in
        [("nothing is over", ""), ("all are over", "UPDATE idem.records SET expires_at = 0, sweep_at = 0;")]
    {
        println!("-- EXPLAIN (ANALYZE, BUFFERS) of a sweep of 500 among {ROWS}: {what}");
        println!(
            "{}",
            database.psql(&format!(
                "{make} ANALYZE idem.records; PREPARE sweep AS {sweep}; SET LOCAL enable_seqscan = off; EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) EXECUTE sweep (500)"
            ))
        );
    }
}

#[tokio::main]
async fn main() {
    let only = std::env::args().nth(1);
    if only.as_deref() != Some("size") {
        speed(true).await;
        speed(false).await;
    }
    if only.as_deref() != Some("speed") {
        size().await;
    }
}
