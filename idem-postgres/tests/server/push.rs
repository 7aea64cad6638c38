//! Being told of endings.

use std::task::Poll;
use std::time::Duration;

use idem_core::{Finish, Store};
use idem_postgres::PgStore;
use idem_test_servers::{Database, Mode, Postgres, Proxy};

use crate::support::{call, claim, done, eventually, fresh_database, key, own, soon};

const LISTENS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";

async fn pushing(url: &str) -> PgStore {
    PgStore::builder(url).push(true).build().await.unwrap()
}

/// A call that waits for `part` while the store listens already.
async fn waiter(database: &Database, store: &PgStore, part: &'static str) -> tokio::task::JoinHandle<()> {
    if database.psql(LISTENS) == "0" {
        let listening = store.clone();
        // The first hint is that the store listens.
        soon(tokio::spawn(async move { listening.changed(&key("first")).await })).await.unwrap();
    }
    assert_eq!(database.psql(LISTENS), "1");
    let store = store.clone();
    let waits = tokio::spawn(async move { store.changed(&key(part)).await });
    tokio::task::yield_now().await;
    waits
}

async fn entries(store: &PgStore) -> bool {
    format!("{store:?}").contains("pushed: true")
}

#[tokio::test]
async fn a_waiter_hears_of_an_ending_at_once() {
    let database = fresh_database();
    let (store, other) = (pushing(&database.url()).await, pushing(&database.url()).await);
    assert!(entries(&store).await);
    call(&store, &key("nobody waits"), b"charged").await;
    assert_eq!(database.psql(LISTENS), "0", "nobody ever waited");
    let owner = own(&other, &key("a")).await;
    let waits = waiter(&database, &store, "a").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waits.is_finished(), "there is no news yet");
    // An ending of another key is no news of this one.
    call(&other, &key("b"), b"other").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waits.is_finished(), "none of this key");
    assert_eq!(
        other.finish(&key("a"), &Finish::new(owner, done(b"charged"))).await.unwrap(),
        idem_core::Ownership::Held
    );
    soon(waits).await.unwrap();
    assert_eq!(database.psql(LISTENS), "1");
    // By an operator, too.
    let waits = waiter(&database, &store, "a").await;
    let seen = other.load(&key("a")).await.unwrap().unwrap();
    let settle = idem_core::Settle::new(&seen, idem_core::Owner::random(), idem_core::Settlement::Forgotten);
    assert_eq!(other.settle(&key("a"), &settle).await.unwrap(), idem_core::Settled::Applied);
    soon(waits).await.unwrap();
    drop(store);
    eventually("the last clone takes the connection along", || database.psql(LISTENS) == "0").await;
}

#[tokio::test]
async fn without_push_nobody_is_told() {
    let database = fresh_database();
    let store = PgStore::connect(&database.url()).await.unwrap();
    let owner = own(&store, &key("a")).await;
    let waits = tokio::spawn({
        let store = store.clone();
        async move { store.changed(&key("a")).await }
    });
    store.finish(&key("a"), &Finish::new(owner, done(b"charged"))).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(200), waits).await.is_err());
    assert_eq!(database.psql(LISTENS), "0");
}

#[tokio::test]
async fn a_lost_listening_connection_is_made_again_while_somebody_waits() {
    let database = fresh_database();
    let proxy = Proxy::start(Postgres::shared().port());
    let (store, other) = (pushing(&proxy.url(&database.url())).await, pushing(&database.url()).await);
    let claim = claim();
    other.claim(&key("a"), &claim).await.unwrap();
    let waits = waiter(&database, &store, "a").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waits.is_finished());
    proxy.set(Mode::Refuse);
    // A lost connection is a hint itself: what was told meanwhile was missed.
    soon(waits).await.unwrap();
    eventually("it is gone", || database.psql(LISTENS) == "0").await;
    let again = tokio::spawn({
        let store = store.clone();
        async move {
            loop {
                // As the engine does: the wait begins before the request, or the ending is missed when it comes in between.
                let key = key("a");
                let mut hint = store.changed(&key);
                let early = std::future::poll_fn(|cx| Poll::Ready(hint.as_mut().poll(cx).is_ready())).await;
                match store.load(&key).await {
                    Ok(Some(record)) if !matches!(record.state, idem_core::State::Running { .. }) => return,
                    _ if early => {}
                    _ => hint.await,
                }
            }
        }
    });
    proxy.set(Mode::Pass);
    eventually("it listens again", || database.psql(LISTENS) == "1").await;
    assert!(!again.is_finished());
    other.finish(&key("a"), &Finish::new(claim.owner, done(b"charged"))).await.unwrap();
    soon(again).await.unwrap();
}
