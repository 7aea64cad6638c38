//! What a hostile table or a long name does: nothing that the store does not see.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // a test

use std::time::Duration;

use idem_core::{Claim, Ending, Held, Key, List, Owner, Store};
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
        let (told, held) = tokio::join!(waits, store.finish(&key, owner, Ending::Abandoned));
        assert_eq!(held.expect(schema), Held::Held);
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
