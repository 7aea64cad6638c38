//! What the tests have in common.

use std::error::Error;
use std::future::Future;
use std::time::{Duration, Instant};

use idem_core::{
    Applied, Claim, Claimed, Completion, Ending, Finish, Grant, Key, Owner, Ownership, Payload, Store, StoreError,
};
use idem_postgres::{PgError, PgStore};
use idem_test_servers::{Database, Postgres};

pub(crate) const LEASE: Duration = Duration::from_secs(60);
pub(crate) const TTL: Duration = Duration::from_secs(3600);

pub(crate) fn fresh_database() -> Database {
    Postgres::shared().fresh_database()
}

pub(crate) async fn connect(url: &str) -> PgStore {
    PgStore::connect(url).await.expect("a store")
}

pub(crate) fn key(part: &str) -> Key {
    Key::new("billing", "payments.charge", part).unwrap()
}

pub(crate) fn claim() -> Claim {
    Claim::new(Owner::random(), LEASE, TTL)
}

pub(crate) fn done(result: &[u8]) -> Ending {
    Ending::Completed(Completion::Result(Payload::from_bytes(result)))
}

pub(crate) fn granted(answer: &Claimed) -> &Grant {
    match answer {
        Claimed::Granted(grant) => grant,
        other => panic!("it is to be granted: {other:?}"),
    }
}

/// Claims a key that is free, and says who owns it.
pub(crate) async fn own(store: &PgStore, key: &Key) -> Owner {
    let claim = claim();
    granted(&store.claim(key, &claim).await.unwrap());
    claim.owner
}

/// A whole call.
pub(crate) async fn call(store: &PgStore, key: &Key, result: &[u8]) {
    let owner = own(store, key).await;
    assert_eq!(store.finish(key, &Finish::new(owner, done(result))).await.unwrap(), Ownership::Held);
}

pub(crate) async fn assert_replays(store: &PgStore, key: &Key, result: &[u8]) {
    match store.claim(key, &claim()).await.unwrap() {
        Claimed::Completed(completed) => {
            assert_eq!(completed.completion, Completion::Result(Payload::from_bytes(result)));
        }
        other => panic!("it is done: {other:?}"),
    }
}

/// What the store's own error is.
pub(crate) fn of_postgres(error: &StoreError) -> &PgError {
    error.source().and_then(<dyn Error>::downcast_ref).expect("this crate's own")
}

pub(crate) fn assert_not_applied(error: &StoreError) {
    assert!(error.applied() == Applied::No && error.is_retryable(), "not applied: {error}: {}", of_postgres(error));
}

pub(crate) fn assert_unknown(error: &StoreError) {
    assert!(error.applied() == Applied::Unknown && error.is_retryable(), "unknown: {error}: {}", of_postgres(error));
}

pub(crate) fn assert_refused(error: &StoreError) {
    let refused = error.applied() == Applied::No && !error.is_retryable() && !error.is_unreadable();
    assert!(refused, "refused: {error}: {}", of_postgres(error));
}

/// The URL, for another role.
pub(crate) fn of_role(url: &str, role: &str) -> String {
    url.replace("postgres@", &format!("{role}@"))
}

/// No longer than that, or it hangs.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it ends within 20 s")
}

pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "after 20 s still not: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
