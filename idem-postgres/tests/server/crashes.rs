//! A server that is killed.

use idem_core::{Claim, Claimed, Finish, Owner, Ownership, Store};
use idem_test_servers::Postgres;

use crate::support::{assert_replays, call, claim, connect, done, granted, key, soon, TTL};

#[tokio::test]
async fn lock_and_record_outlive_it_and_fences_rise() {
    let postgres = Postgres::start();
    let store = connect(&postgres.url()).await;
    call(&store, &key("done"), b"charged").await;
    let owner = crate::support::own(&store, &key("running")).await;
    let short = Claim::new(Owner::random(), std::time::Duration::from_micros(1), TTL);
    let before = granted(&store.claim(&key("lapsed"), &short).await.unwrap()).fence;
    postgres.kill();
    let error = soon(store.claim(&key("new"), &claim())).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    postgres.restart();
    // Connections of before are found closed, by an answer that may be unknown.
    while let Err(error) = soon(store.load(&key("done"))).await {
        assert!(error.is_retryable(), "{error:?}");
    }
    assert_replays(&store, &key("done"), b"charged").await;
    assert!(matches!(store.claim(&key("running"), &claim()).await.unwrap(), Claimed::Running { .. }));
    assert_eq!(store.renew(&key("running"), owner).await.unwrap(), Ownership::Held);
    assert_eq!(store.finish(&key("running"), &Finish::new(owner, done(b"late"))).await.unwrap(), Ownership::Held);
    let answer = store.claim(&key("lapsed"), &claim()).await.unwrap();
    assert_eq!(granted(&answer).attempt, 2);
    assert!(granted(&answer).fence > before);
    assert_eq!(
        store.finish(&key("lapsed"), &Finish::new(short.owner, done(b"former"))).await.unwrap(),
        Ownership::Lost
    );
    // Also when there is no record left to rise from.
    postgres.psql("DELETE FROM idem.records");
    let fence = granted(&answer).fence;
    assert!(granted(&store.claim(&key("lapsed"), &claim()).await.unwrap()).fence > fence);
}
