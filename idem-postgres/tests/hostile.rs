//! What a hostile table or a long name does: nothing that the store does not see.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // a test

use std::time::Duration;

use idem_core::{Claim, Ending, Finish, Key, List, Owner, Ownership, Store};
use idem_postgres::PgStore;
use idem_test_servers::{Database, Postgres};
use tokio_postgres::{Client, NoTls};

fn key(name: &str) -> Key {
    Key::new("billing", "charge", name).expect("a valid key")
}

fn claim(owner: Owner) -> Claim {
    Claim::new(owner, Duration::from_secs(60), Duration::from_secs(600))
}

async fn client(database: &Database) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn endings_land_whatever_the_schema_is_called() {
    let database = Postgres::shared().fresh_database();
    let long = ["s".repeat(59), "s".repeat(63), "ü".repeat(31)];
    for schema in ["{now}", "a\"b'c\\d", &long[0], &long[1], &long[2]] {
        let store = PgStore::builder(&database.url()).schema(schema).push(true).build().await.expect("a store");
        let (owner, key) = (Owner::random(), key("1"));
        store.claim(&key, &claim(owner)).await.expect("a claim");
        // The first hint is that there is somebody who listens now.
        let patience = Duration::from_secs(30);
        tokio::time::timeout(patience, store.changed(&key)).await.expect("a listener");
        let waits = tokio::time::timeout(patience, store.changed(&key));
        let unknown = Finish::new(owner, Ending::Unknown);
        let (told, held) = tokio::join!(waits, store.finish(&key, &unknown));
        assert_eq!(held.expect(schema), Ownership::Held);
        told.expect("a hint");
    }
}

#[tokio::test]
async fn a_foreign_key_hides_no_others_from_a_list() {
    let database = Postgres::shared().fresh_database();
    let store = PgStore::connect(&database.url()).await.expect("a store");
    for name in 0..10 {
        store.claim(&key(&name.to_string()), &claim(Owner::random())).await.expect("a claim");
    }
    let scope = key("0").scope().to_vec();
    let foreign = "UPDATE idem.records SET key = $1::bytea || '\\xff' WHERE id IN (SELECT id FROM idem.records ORDER BY id LIMIT 2)";
    client(&database).await.execute(foreign, &[&scope]).await.expect("edited");
    let (mut after, mut listed) = (None, Vec::new());
    loop {
        let page = store.list(&List::new(scope.clone()).after(after).limit(2)).await.expect("a page");
        listed.extend(page.records.into_iter().map(|listed| listed.key));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let ours = (0..10).filter(|name| listed.contains(&key(&name.to_string()))).count();
    assert_eq!(ours, 8);
}

#[tokio::test]
async fn what_could_not_be_read_does_not_get_in() {
    let database = Postgres::shared().fresh_database();
    let store = PgStore::connect(&database.url()).await.expect("a store");
    store.claim(&key("1"), &claim(Owner::random())).await.expect("a claim");
    let client = client(&database).await;
    for edit in [
        "owner = '\\x01'",
        "fence = -1",
        "attempt = -1",
        "attempt = 4294967296",
        "fingerprint = '\\x0102'",
        "step_count = 1",
        "steps = '\\x00'",
        "steps = '\\x00', step_count = 1",
        "lease = -1",
        "ttl = -1",
        "since = NULL",
        "lease_until = NULL",
        "state = 'completed'",
    ] {
        let error = client.batch_execute(&format!("UPDATE idem.records SET {edit}")).await.expect_err(edit);
        assert_eq!(error.code().map(|code| code.code()), Some("23514"), "{edit}");
    }
    // A newer build may do as it likes, and is left alone.
    client
        .batch_execute("UPDATE idem.records SET format = 2, owner = '', lease_until = NULL")
        .await
        .expect("a newer row");
    assert!(store.claim(&key("1"), &claim(Owner::random())).await.expect_err("newer").is_unreadable());
    // Attempts are counted as far as they can be.
    client
        .batch_execute("UPDATE idem.records SET format = 1, owner = '\\x00112233445566778899aabbccddeeff', state = 'unknown', attempt = 4294967295")
        .await
        .expect("edited");
    store.claim(&key("1"), &claim(Owner::random())).await.expect("a claim");
    assert_eq!(store.load(&key("1")).await.expect("an answer").expect("a record").attempt, u32::MAX);
}

#[test]
fn outside_of_a_runtime_verbs_are_refused() {
    let database = Postgres::shared().fresh_database();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let store = runtime.block_on(PgStore::builder(&database.url()).push(true).build()).expect("a store");
    let poll = |future: std::pin::Pin<&mut dyn std::future::Future<Output = bool>>| {
        future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    };
    let (key, claim) = (key("1"), claim(Owner::random()));
    let mut refused = std::pin::pin!(async { store.claim(&key, &claim).await.is_err() });
    assert_eq!(poll(refused.as_mut()), std::task::Poll::Ready(true));
    let mut waits = std::pin::pin!(async {
        store.changed(&key).await;
        true
    });
    assert!(poll(waits.as_mut()).is_pending());
    assert!(runtime.block_on(store.claim(&key, &claim)).is_ok());
}
