//! Answers that are lost on the way, connections that are refused, and holes that swallow all.

use std::future::Future;
use std::time::Duration;

use idem_core::{
    Ending, Finish, Ownership, Payload, Record, SaveStep, Settle, Settled, Settlement, Step, Store, StoreError,
};
use idem_postgres::{PgError, PgStore};
use idem_test_servers::{Mode, Postgres, Proxy};

use crate::support::{
    assert_not_applied, assert_replays, assert_unknown, call, claim, done, eventually, fresh_database, granted, key,
    of_postgres, own, soon,
};

/// A store by way of a proxy, and one that reaches the server directly.
async fn behind_a_proxy() -> (Proxy, PgStore, PgStore) {
    let database = fresh_database();
    let proxy = Proxy::start(Postgres::shared().port());
    let url = proxy.url(&database.url());
    let store = PgStore::connect(&url).await.unwrap();
    (proxy, store, PgStore::connect(&database.url()).await.unwrap())
}

/// Asks twice, and loses the first answer.
async fn asked_twice<T, F>(proxy: &Proxy, verb: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    proxy.lose_next_answer();
    let error = soon(verb()).await.err().expect("the answer is lost");
    assert!(!proxy.is_armed());
    assert_unknown(&error);
    assert!(matches!(of_postgres(&error), PgError::Lost(_)), "{error:?}");
    soon(verb()).await.expect("the next one is not")
}

async fn record(store: &PgStore, part: &str) -> Record {
    store.load(&key(part)).await.unwrap().expect("a record")
}

#[tokio::test]
async fn a_verb_whose_answer_was_lost_is_unknown_and_answers_the_same_again() {
    let (proxy, store, direct) = behind_a_proxy().await;
    let claim = claim();
    let a = key("a");
    // A connection that has prepared every statement, so that the next answer is the verb's.
    warm(&store).await;
    let answer = asked_twice(&proxy, || store.claim(&a, &claim)).await;
    assert_eq!((granted(&answer).attempt, granted(&answer).fence), (1, record(&direct, "a").await.fence));

    warm(&store).await;
    assert_eq!(asked_twice(&proxy, || store.renew(&a, claim.owner)).await, Ownership::Held);

    warm(&store).await;
    let step = SaveStep::new(claim.owner, 0, Step::new("reserve", Payload::from_bytes(&b"seat 7"[..])));
    assert_eq!(asked_twice(&proxy, || store.save_step(&a, &step)).await, Ownership::Held);
    assert_eq!(record(&direct, "a").await.steps.count(), 1, "once");

    warm(&store).await;
    let charged = Finish::new(claim.owner, done(b"charged"));
    let ended = asked_twice(&proxy, || store.finish(&a, &charged)).await;
    assert_eq!(ended, Ownership::Held);
    assert_replays(&direct, &key("a"), b"charged").await;

    warm(&store).await;
    let seen = record(&direct, "a").await;
    let settle = Settle::new(&seen, idem_core::Owner::random(), Settlement::Failed);
    assert_eq!(asked_twice(&proxy, || store.settle(&a, &settle)).await, Settled::Applied);
    assert!(record(&direct, "a").await.fence > seen.fence);
    assert_eq!(asked_twice(&proxy, || store.sweep(10)).await, 0);
    assert_eq!(record(&store, "a").await, record(&direct, "a").await);
}

/// A new connection prepares each verb's statement anew.
async fn warm(store: &PgStore) {
    let owner = own(store, &key("warm")).await;
    store.renew(&key("warm"), owner).await.unwrap();
    let step = Step::new("s", Payload::from_bytes(&b"1"[..]));
    store.save_step(&key("warm"), &SaveStep::new(owner, 0, step)).await.unwrap();
    store.finish(&key("warm"), &Finish::new(owner, Ending::Failed)).await.unwrap();
    let seen = store.load(&key("warm")).await.unwrap().unwrap();
    let settle = Settle::new(&seen, idem_core::Owner::random(), Settlement::Forgotten);
    store.settle(&key("warm"), &settle).await.unwrap();
    store.sweep(1).await.unwrap();
}

#[tokio::test]
async fn refused_connections_are_not_applied() {
    let (proxy, store, direct) = behind_a_proxy().await;
    call(&store, &key("a"), b"charged").await;
    proxy.set(Mode::Refuse);
    // The open connection may be seen to be closed only now.
    let first = soon(store.claim(&key("b"), &claim())).await.unwrap_err();
    assert!(first.is_retryable());
    for _ in 0..3 {
        let error = soon(store.claim(&key("b"), &claim())).await.unwrap_err();
        assert_not_applied(&error);
        assert!(matches!(of_postgres(&error), PgError::Connect(_)), "{error:?}");
    }
    assert!(direct.load(&key("b")).await.unwrap().is_none());
    let down = soon(PgStore::connect(&format!("postgres://postgres@127.0.0.1:{}/x", proxy.port()))).await.unwrap_err();
    assert!(matches!(down, PgError::Connect(_)), "{down}");
    proxy.set(Mode::Pass);
    assert_replays(&store, &key("a"), b"charged").await;
    own(&store, &key("b")).await;
}

/// Verbs are given up on by whoever asked, more of them than the pool has connections.
async fn survives_a_black_hole(proxy: &Proxy, store: PgStore, direct: &PgStore, part: &str) {
    call(&store, &key(part), b"charged").await;
    proxy.set(Mode::BlackHole);
    let verbs = (0..40).map(|n| {
        let (store, key) = (store.clone(), key(&format!("{part} {n}")));
        tokio::spawn(async move {
            let verb = store.claim(&key, &claim()).await.map(drop);
            verb.err().map(|error| error.is_retryable())
        })
    });
    let verbs: Vec<_> = verbs.collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    for verb in verbs {
        verb.abort();
        let ended = verb.await;
        assert!(ended.is_err() || ended.unwrap() == Some(true), "given up on, or an error that may pass");
    }
    proxy.set(Mode::Pass);
    // The connections that were swallowed did not go back to the pool, and took no places with them.
    let healed = tokio::time::timeout(Duration::from_secs(5), async {
        for _ in 0..20 {
            assert_replays(&store, &key(part), b"charged").await;
        }
    });
    healed.await.expect("at once, or nearly so");
    assert_replays(direct, &key(part), b"charged").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_takes_no_connection_for_good() {
    let (proxy, store, direct) = behind_a_proxy().await;
    survives_a_black_hole(&proxy, store, &direct, "a").await;
}

#[cfg(feature = "sqlx")]
#[tokio::test(flavor = "multi_thread")]
async fn nor_one_of_sqlxs() {
    let (proxy, store, direct) = behind_a_proxy().await;
    call(&store, &key("b"), b"other").await;
    let database = direct.load(&key("b")).await.unwrap();
    assert!(database.is_some());
    let url = proxy.url(&fresh_database().url());
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    let store = PgStore::with_sqlx(pool).build().await.unwrap();
    survives_a_black_hole(&proxy, store.clone(), &store, "a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_ended_in_the_middle_is_unknown() {
    let database = fresh_database();
    let store = PgStore::connect(&database.url()).await.unwrap();
    let owner = own(&store, &key("a")).await;
    // Somebody holds the row, so that the ending waits.
    let holder = PgStore::connect(&database.url()).await.unwrap();
    drop(holder);
    let (client, connection) = tokio_postgres::connect(&database.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("BEGIN; SELECT 1 FROM idem.records FOR UPDATE").await.unwrap();
    let ending = {
        let store = store.clone();
        tokio::spawn(async move { store.finish(&key("a"), &Finish::new(owner, done(b"charged"))).await })
    };
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'idem' AND wait_event_type = 'Lock' \
                 AND datname = current_database()";
    eventually("it waits for the row", || database.psql(waits) == "1").await;
    database.psql(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'idem' AND wait_event_type = 'Lock' AND datname = '{}'",
        database.name()
    ));
    assert_unknown(&soon(ending).await.unwrap().unwrap_err());
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(soon(store.finish(&key("a"), &Finish::new(owner, done(b"charged")))).await.unwrap(), Ownership::Held);
    assert_replays(&store, &key("a"), b"charged").await;
}

/// Each verb is given up before it has a connection: the next one finds the one that was being made.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_take_longer_than_a_verb_may_are_made_all_the_same() {
    let database = fresh_database();
    let store = PgStore::connect(&format!("{}?options=-c%20post_auth_delay%3D1", database.url())).await.unwrap();
    let ended =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'idem' AND datname = \
                 current_database()";
    assert_ne!(database.psql(ended), "0");
    let asked = async {
        while !matches!(
            tokio::time::timeout(Duration::from_millis(300), store.claim(&key("a"), &claim())).await,
            Ok(Ok(_))
        ) {}
    };
    tokio::time::timeout(Duration::from_secs(20), asked).await.expect("there is a connection in the end");
}

/// The server gives up on a statement as a whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_the_server_breaks_off_is_not_applied() {
    let database = fresh_database();
    // The tables exist before, because to create them may take longer.
    let owner = own(&PgStore::connect(&database.url()).await.unwrap(), &key("a")).await;
    let url = format!("{}?options=-c%20statement_timeout%3D2000", database.url());
    let store = PgStore::connect(&url).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&database.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("BEGIN; SELECT 1 FROM idem.records FOR UPDATE").await.unwrap();
    let error = soon(store.finish(&key("a"), &Finish::new(owner, done(b"charged")))).await.unwrap_err();
    assert_not_applied(&error);
    assert!(matches!(of_postgres(&error), PgError::NotNow(_)), "{error:?}");
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(store.finish(&key("a"), &Finish::new(owner, done(b"charged"))).await.unwrap(), Ownership::Held);
}
