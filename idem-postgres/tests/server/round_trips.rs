//! What calls cost, by the server's own statistics.

use std::time::Duration;

use idem_core::{CallError, Ending, Error, Finish, Idem, Kind, Ownership, Store};
use idem_postgres::PgStore;
use idem_test_servers::{Database, Postgres};

use crate::support::{call, claim, done, eventually, granted, key, of_role, own};

/// A server that counts what the role `app` sends.
struct Counted {
    postgres: Postgres,
    database: Database,
}

/// How many statements, and how many records of the write-ahead log they wrote.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    statements: u32,
    writes: bool,
}

const READ: Cost = Cost { statements: 1, writes: false };
const WRITTEN: Cost = Cost { statements: 2, writes: true };

impl Counted {
    fn start() -> Self {
        let postgres = Postgres::builder()
            .config("shared_preload_libraries = 'pg_stat_statements'")
            .config("autovacuum = off")
            .start();
        let database = postgres.fresh_database();
        database.psql("CREATE EXTENSION pg_stat_statements");
        database.psql(&format!("CREATE ROLE app LOGIN; GRANT CREATE ON DATABASE {} TO app", database.name()));
        Self { postgres, database }
    }

    fn url(&self) -> String {
        of_role(&self.database.url(), "app")
    }

    /// Of all that came since the last time.
    fn cost(&self) -> Cost {
        let sums = "SELECT coalesce(sum(calls), 0), coalesce(sum(wal_records), 0) > 0 FROM pg_stat_statements \
                    WHERE userid = 'app'::regrole";
        let row = self.database.psql(sums);
        self.database.psql("SELECT pg_stat_statements_reset()");
        let (statements, writes) = row.split_once('|').expect("two columns");
        Cost { statements: statements.parse().expect("a number"), writes: writes == "t" }
    }

    /// The next transaction that writes has this number.
    fn next_transaction(&self) -> String {
        self.database.psql("SELECT pg_snapshot_xmax(pg_current_snapshot())")
    }
}

async fn run(idem: &Idem, id: &str) -> Result<Kind, CallError<std::convert::Infallible>> {
    let operation = idem.operation("payments.charge").key(id).wait(Duration::ZERO);
    Ok(operation.run(async { Ok(7_u32) }).await?.kind())
}

async fn calls(server: &Counted, store: PgStore) {
    let idem = Idem::builder(store.clone()).namespace("billing").build().unwrap();
    // Connections are made, and statements prepared.
    for id in ["a", "b", "b", "b"] {
        run(&idem, id).await.unwrap();
    }
    server.cost();
    assert_eq!(run(&idem, "c").await.unwrap(), Kind::Executed);
    assert_eq!(server.cost(), WRITTEN, "fresh");

    run(&idem, "c").await.unwrap();
    server.cost();
    let before = server.next_transaction();
    for _ in 0..3 {
        assert_eq!(run(&idem, "c").await.unwrap(), Kind::Replayed);
        assert_eq!(server.cost(), READ, "replay");
    }
    let owner = own(&store, &key("d")).await;
    server.cost();
    let of_claim = server.next_transaction();
    assert_ne!(before, of_claim, "it moves when something is written");
    let conflict = run(&idem, "d").await.unwrap_err();
    assert!(matches!(conflict, CallError::Idem(Error::InProgress { .. })), "{conflict:?}");
    assert_eq!(server.cost(), READ, "conflict");
    let reused = idem.operation("payments.charge").key("c").fingerprint(&1).run(async { Ok::<_, ()>(7_u32) });
    assert_eq!(reused.await.unwrap().kind(), Kind::Replayed, "there is none to differ from");
    server.cost();
    assert_eq!(server.next_transaction(), of_claim, "reading takes no transaction's number");

    assert_eq!(store.finish(&key("d"), &Finish::new(owner, Ending::Unknown)).await.unwrap(), Ownership::Held);
    server.cost();
    assert_eq!(run(&idem, "d").await.unwrap(), Kind::Executed);
    assert_eq!(server.cost(), WRITTEN, "takeover");
}

#[tokio::test]
async fn a_replay_is_one_statement_that_writes_nothing_and_a_fresh_call_two() {
    let server = Counted::start();
    calls(&server, PgStore::connect(&server.url()).await.unwrap()).await;
    server.database.psql("DROP SCHEMA idem CASCADE");
    calls(&server, PgStore::builder(&server.url()).prepared(false).push(true).build().await.unwrap()).await;
    #[cfg(feature = "sqlx")]
    for prepared in [true, false] {
        server.database.psql("DROP SCHEMA idem CASCADE");
        let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
        calls(&server, PgStore::with_sqlx(pool).prepared(prepared).build().await.unwrap()).await;
    }
    assert!(server.postgres.log().len() < 1_000_000);
}

#[tokio::test]
async fn renewals_and_endings_touch_no_index() {
    let server = Counted::start();
    let store = PgStore::connect(&server.url()).await.unwrap();
    let calls = 200;
    for n in 0..calls {
        let (key, claim) = (key(&n.to_string()), claim());
        granted(&store.claim(&key, &claim).await.unwrap());
        for _ in 0..2 {
            assert_eq!(store.renew(&key, claim.owner).await.unwrap(), Ownership::Held);
        }
        assert_eq!(store.finish(&key, &Finish::new(claim.owner, done(&[b'x'; 130]))).await.unwrap(), Ownership::Held);
    }
    drop(store);
    let row = || {
        server.database.psql(
            "SELECT n_tup_ins, n_tup_upd, n_tup_upd - n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'records'",
        )
    };
    // A session's counts are there once it has gone.
    eventually("all are counted", || row().starts_with(&format!("{calls}|{}|", 3 * calls))).await;
    assert_eq!(row(), format!("{calls}|{}|0", 3 * calls));
}

/// No number of live records is read to find those that are over.
#[tokio::test]
async fn the_sweep_reads_what_is_over_and_nothing_else() {
    let server = Counted::start();
    let store = PgStore::connect(&server.url()).await.unwrap();
    call(&store, &key("template"), b"charged").await;
    server.database.psql(
        "INSERT INTO idem.records SELECT decode(md5(n::text) || md5(n::text), 'hex'), key, operation, format, state, owner, \
         fence, attempt, fingerprint, at_most_once, after_unknown, set_fingerprint, set_at_most_once, steps, \
         step_count, lease, ttl, since, lease_until, expires_at, sweep_at, result \
         FROM idem.records, generate_series(1, 20000) n",
    );
    server.database.psql("ANALYZE idem.records");
    server.cost();
    for _ in 0..10 {
        assert_eq!(store.sweep(500).await.unwrap(), 0);
    }
    let blocks = server.database.psql(
        "SELECT sum(shared_blks_hit + shared_blks_read) / sum(calls) FROM pg_stat_statements WHERE userid = 'app'::regrole",
    );
    let blocks: f64 = blocks.parse().unwrap();
    assert!(blocks < 20.0, "{blocks} blocks each");
}
