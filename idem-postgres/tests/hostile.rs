//! What a hostile table or a long name does: nothing that the store does not see.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // a test

use std::time::Duration;

use idem_core::{Claim, Ending, Held, Key, Owner, Store};
use idem_postgres::PgStore;
use idem_test_servers::Postgres;

fn key(name: &str) -> Key {
    Key::new("billing", "charge", name).expect("a valid key")
}

fn claim(owner: Owner) -> Claim {
    Claim::new(owner, Duration::from_secs(60), Duration::from_secs(600))
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
