//! Deleting what is over.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use idem_core::{Claim, Owner, Ownership, Store};
use idem_postgres::PgStore;
use idem_test_servers::{require, Database};

use crate::support::{assert_replays, call, connect, eventually, fresh_database, key, soon, LEASE, TTL};

/// As if so much time had gone by.
fn pass(database: &Database, of: &str) {
    database.psql(&format!(
        "UPDATE idem.records SET lease_until = lease_until - {0}, expires_at = expires_at - {0}, sweep_at = sweep_at - {0} WHERE {of}",
        (LEASE + TTL + Duration::from_secs(1)).as_micros(),
    ));
}

fn copies(database: &Database, count: u32) {
    database.psql(&format!(
        "INSERT INTO idem.records SELECT decode(md5(n::text) || md5(random()::text), 'hex'), key, operation, format, state, owner, \
         fence, attempt, fingerprint, at_most_once, after_unknown, set_fingerprint, set_at_most_once, steps, \
         step_count, lease, ttl, since, lease_until, expires_at, sweep_at, result \
         FROM idem.records, generate_series(1, {count}) n"
    ));
}

fn count(database: &Database) -> String {
    database.psql("SELECT count(*) FROM idem.records")
}

#[tokio::test]
async fn ten_thousand_go_in_batches_and_what_lives_stays() {
    let database = fresh_database();
    let store = connect(&database.url()).await;
    call(&store, &key("over"), b"charged").await;
    copies(&database, 9_999);
    pass(&database, "true");
    call(&store, &key("lives"), b"charged").await;
    let owner = crate::support::own(&store, &key("runs")).await;
    assert_eq!(store.sweep(0).await.unwrap(), 0);
    for batch in 0..20 {
        assert_eq!(soon(store.sweep(500)).await.unwrap(), 500, "batch {batch}");
    }
    assert_eq!(store.sweep(500).await.unwrap(), 0);
    assert_eq!(count(&database), "2");
    assert_replays(&store, &key("lives"), b"charged").await;
    assert_eq!(store.renew(&key("runs"), owner).await.unwrap(), Ownership::Held);
    // However many are asked for, a statement looks at a thousand.
    call(&store, &key("over"), b"charged").await;
    copies(&database, 1_500);
    pass(&database, "true");
    assert_eq!(store.sweep(usize::MAX).await.unwrap(), 1_000);
}

#[tokio::test]
async fn what_was_renewed_since_is_looked_at_again_later() {
    let database = fresh_database();
    let store = connect(&database.url()).await;
    let claim = Claim::new(Owner::random(), LEASE, TTL);
    store.claim(&key("long"), &claim).await.unwrap();
    // By its first claim it would be over.
    pass(&database, "true");
    database.psql(&format!("UPDATE idem.records SET expires_at = expires_at + {}", 2 * TTL.as_micros()));
    assert_eq!(store.renew(&key("long"), claim.owner).await.unwrap(), Ownership::Held);
    assert_eq!(store.sweep(10).await.unwrap(), 0);
    assert_eq!(store.renew(&key("long"), claim.owner).await.unwrap(), Ownership::Held);
    assert_eq!(database.psql("SELECT sweep_at > extract(epoch FROM now()) * 1000000 FROM idem.records"), "t");
    // A batch of such does not hide what is over behind them.
    copies(&database, 10);
    call(&store, &key("over"), b"charged").await;
    pass(&database, "true");
    database.psql(&format!(
        "UPDATE idem.records SET expires_at = expires_at + {} WHERE state = 'running'",
        2 * TTL.as_micros()
    ));
    let mut gone = 0;
    for _ in 0..4 {
        gone += store.sweep(5).await.unwrap();
    }
    assert_eq!((gone, count(&database).as_str()), (1, "11"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_has_locked_is_left_for_the_next_time() {
    let database = fresh_database();
    let store = connect(&database.url()).await;
    for n in 0..3 {
        call(&store, &key(&n.to_string()), b"charged").await;
    }
    pass(&database, "true");
    let mut psql = Command::new(require("psql"))
        .args(["-XAtq", &database.url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = psql.stdin.take().unwrap();
    writeln!(input, "SET application_name = 'holder'; BEGIN; SELECT id FROM idem.records LIMIT 1 FOR UPDATE;").unwrap();
    let holds =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holder' AND state = 'idle in transaction'";
    eventually("the row is locked", || database.psql(holds) == "1").await;
    assert_eq!(soon(store.sweep(10)).await.unwrap(), 2);
    drop(input);
    psql.wait().unwrap();
    eventually("its session is over", || database.psql(holds) == "0").await;
    assert_eq!(soon(store.sweep(10)).await.unwrap(), 1);
    assert_eq!(count(&database), "0");
}

/// Sweeps and claims at once: a claim on a record that is over is granted whether or not it was just deleted.
#[tokio::test(flavor = "multi_thread")]
async fn claims_and_sweeps_get_past_each_other() {
    let database = fresh_database();
    let (store, other) = (connect(&database.url()).await, connect(&database.url()).await);
    for n in 0..40 {
        call(&store, &key(&n.to_string()), b"before").await;
    }
    let before = fences(&store).await;
    pass(&database, "true");
    let sweeper = tokio::spawn(async move {
        for _ in 0..20 {
            other.sweep(3).await.unwrap();
        }
    });
    for n in (0..40).rev() {
        call(&store, &key(&n.to_string()), b"after").await;
    }
    sweeper.await.unwrap();
    for n in 0..40 {
        assert_replays(&store, &key(&n.to_string()), b"after").await;
    }
    let after = fences(&store).await;
    assert!(before.iter().zip(&after).all(|(before, after)| before < after), "fences rise");
}

async fn fences(store: &PgStore) -> Vec<u64> {
    let mut fences = Vec::new();
    for n in 0..40 {
        fences.push(store.load(&key(&n.to_string())).await.unwrap().expect("a record").fence);
    }
    fences
}
