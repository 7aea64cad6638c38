//! Hints for those who wait for a key.

use std::time::Duration;

use idem_core::{Ending, Finish, Store};
use idem_sqlite::SqliteStore;

use crate::support::{call, claim, completed, granted, key, Dir};

/// Waits for a hint on a key of its own that somebody has, does something, and says whether the hint came.
async fn hinted(waiting: &SqliteStore, ends: &SqliteStore, ending: Ending) {
    let (key, claim) = (key("k"), claim());
    granted(ends, &key, &claim).await;
    let hint = tokio::spawn({
        let (waiting, key) = (waiting.clone(), key.clone());
        async move { waiting.changed(&key).await }
    });
    tokio::task::yield_now().await;
    ends.renew(&key, claim.owner).await.unwrap();
    call(ends, &crate::support::key("another"), b"done").await;
    assert!(!hint.is_finished(), "nothing has become of this key");
    ends.finish(&key, &Finish::new(claim.owner, ending)).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), hint).await.expect("a hint").unwrap();
}

#[tokio::test]
async fn the_end_of_a_run_wakes_those_who_wait_here() {
    let dir = Dir::new();
    let store = dir.store().await;
    hinted(&store, &store, completed(b"done")).await;
}

#[tokio::test]
async fn and_those_who_wait_elsewhere() {
    for ending in [completed(b"done"), Ending::Failed, Ending::Unknown] {
        let dir = Dir::new();
        hinted(&dir.store().await, &dir.store().await, ending).await;
    }
}

#[tokio::test]
async fn a_key_that_nobody_is_at_work_on_is_news_at_once() {
    let dir = Dir::new();
    let store = dir.store().await;
    store.changed(&key("none")).await;
    call(&store, &key("done"), b"done").await;
    store.changed(&key("done")).await;
}

#[tokio::test]
async fn a_thousand_who_went_leave_nothing_behind() {
    let dir = Dir::new();
    let store = dir.store().await;
    let claim = claim();
    granted(&store, &key("k"), &claim).await;
    for _ in 0..1000 {
        let _ = tokio::time::timeout(Duration::ZERO, store.changed(&key("k"))).await;
    }
    let hint = tokio::spawn({
        let store = store.clone();
        async move { store.changed(&key("k")).await }
    });
    tokio::task::yield_now().await;
    store.finish(&key("k"), &Finish::new(claim.owner, completed(b"done"))).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), hint).await.expect("a hint").unwrap();
}
