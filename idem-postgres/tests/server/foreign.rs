//! What is under a key and is no record of this build's: it is left as it is.

use idem_core::{Ending, Finish, List, Owner, Payload, SaveStep, Settle, Settlement, Step, Store, StoreError};
use idem_postgres::PgStore;
use idem_test_servers::Database;

use crate::support::{assert_replays, call, connect, fresh_database, key, own};

fn row(database: &Database) -> String {
    database.psql("SELECT r::text, xmin FROM idem.records r WHERE fence = (SELECT max(fence) FROM idem.records)")
}

/// Every verb says that it cannot read it, or does nothing.
async fn is_left_alone(database: &Database, store: &PgStore, part: &str, what: &str) {
    let before = row(database);
    cannot_be_read(store, part, what).await;
    let mut seen =
        idem_core::Record::new(idem_core::State::Failed, Owner::random(), idem_core::Timestamp::from_micros(0));
    seen.fence = database.psql("SELECT max(fence) FROM idem.records").parse().unwrap();
    let settle = Settle::new(&seen, Owner::random(), Settlement::Forgotten);
    let error = store.settle(&key(part), &settle).await.unwrap_err();
    assert!(error.is_unreadable(), "{what}: {error:?}");
    assert_eq!(row(database), before, "{what}");
}

async fn cannot_be_read(store: &PgStore, part: &str, what: &str) {
    let unreadable = |error: StoreError| assert!(error.is_unreadable(), "{what}: {error:?}");
    let key = key(part);
    let claims = [crate::support::claim(), crate::support::claim().reconciling(true).at_most_once(true)];
    for claim in claims {
        unreadable(store.claim(&key, &claim).await.unwrap_err());
    }
    unreadable(store.load(&key).await.unwrap_err());
    let owner = Owner::random();
    let step = SaveStep::new(owner, 0, Step::new("s", Payload::from_bytes(&b"r"[..])));
    unreadable(store.renew(&key, owner).await.unwrap_err());
    unreadable(store.finish(&key, &Finish::new(owner, Ending::Unknown)).await.unwrap_err());
    unreadable(store.save_step(&key, &step).await.unwrap_err());
    assert_eq!(store.sweep(10).await.unwrap(), 0);
    let page = store.list(&List::new(key.scope()).limit(10)).await.unwrap();
    assert_eq!(page.records.iter().filter(|listed| listed.record.is_err()).count(), 1, "{what}: it is on the page");
}

#[tokio::test]
async fn whatever_it_is_it_is_left_as_it_is() {
    let database = fresh_database();
    let store = connect(&database.url()).await;
    call(&store, &key("honest"), b"charged").await;
    call(&store, &key("odd"), b"charged").await;
    let of_odd = "WHERE fence = (SELECT max(fence) FROM idem.records)";
    let whole = "state = 'completed', format = 1, owner = '\\x00112233445566778899aabbccddeeff', result = 'charged', fingerprint = NULL, step_count = 0, steps = NULL";
    // A later build's, of a state that this one does not know.
    for newer in ["format = 2", "format = 2, state = 'suspended'", "format = 32000, owner = ''", "format = -1"] {
        database.psql(&format!("UPDATE idem.records SET {newer} {of_odd}"));
        is_left_alone(&database, &store, "odd", newer).await;
        database.psql(&format!("UPDATE idem.records SET {whole} {of_odd}"));
    }
    let damage = [
        "state = 'suspended', result = NULL",
        "owner = 'short'",
        "state = 'failed', result = NULL, owner = ''",
        "fingerprint = 'short'",
        "result = NULL",
        "state = 'running', result = NULL",
        "step_count = 3",
        "steps = 'x'",
        "attempt = -1",
        "attempt = 4294967296",
        "lease = -1",
        "fence = -1",
    ];
    for damage in damage {
        let refused = database.try_psql(&format!("UPDATE idem.records SET {damage} {of_odd}")).unwrap_err();
        assert!(refused.contains("records_format_1"), "nobody can write that: {damage}: {refused}");
    }
    // But for whoever takes the rule away.
    database.psql("ALTER TABLE idem.records DROP CONSTRAINT records_format_1");
    for damage in damage.iter().filter(|damage| !damage.contains("state = 'failed'") && !damage.contains("fence")) {
        database.psql(&format!("UPDATE idem.records SET {damage} {of_odd}"));
        let before = row(&database);
        cannot_be_read(&store, "odd", damage).await;
        assert_eq!(row(&database), before, "{damage}");
        database.psql(&format!(
            "UPDATE idem.records SET attempt = 1, lease = 1, since = NULL, lease_until = NULL, {whole} {of_odd}"
        ));
    }
    assert_replays(&store, &key("odd"), b"charged").await;
    assert_replays(&store, &key("honest"), b"charged").await;
}

/// A key that is none does not end a walk through the pages.
#[tokio::test]
async fn a_walk_gets_past_keys_that_are_none() {
    let database = fresh_database();
    let store = connect(&database.url()).await;
    for n in 0..12 {
        own(&store, &key(&n.to_string())).await;
    }
    // Longer than the scope, so that it is on the page, but no key.
    database.psql("UPDATE idem.records SET key = key || '\\xff'::bytea WHERE get_byte(id, 9) % 2 = 0");
    let kept: usize = database.psql("SELECT count(*) FROM idem.records WHERE get_byte(id, 9) % 2 = 1").parse().unwrap();
    let (mut found, mut after) = (0, None);
    loop {
        let page = store.list(&List::new(key("0").scope()).limit(1).after(after)).await.unwrap();
        found += page.records.len();
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert!(kept < 12 && found >= kept, "{found} of {kept}");
}
