//! Hints: that they come, and that nothing is left of them.

use std::time::{Duration, Instant};

use idem_core::{Ending, Finish, Store};
use idem_redis::RedisStore;
use idem_test_servers::{Proxy, Redis};

use crate::support::{builder, claim, completed, eventually, granted, key, prefix};

async fn pair(url: &str) -> (RedisStore, RedisStore) {
    let prefix = prefix();
    let connect = || async { builder().key_prefix(&*prefix).connect(url).await.unwrap() };
    (connect().await, connect().await)
}

/// Waits as a call does until the channel is subscribed to: the first hint says so.
async fn listening(store: &RedisStore, key: &idem_core::Key) {
    tokio::time::timeout(Duration::from_secs(5), store.changed(key)).await.expect("subscribed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ending_wakes_who_waits_elsewhere() {
    let (owner, waiter) = pair(&Redis::shared().url()).await;
    let mut times = Vec::new();
    for n in 0..50 {
        let (key, claim) = (key(&n.to_string()), claim());
        granted(&owner, &key, &claim).await;
        listening(&waiter, &key).await;
        let news = tokio::spawn({
            let (waiter, key) = (waiter.clone(), key.clone());
            async move {
                waiter.changed(&key).await;
                Instant::now()
            }
        });
        tokio::task::yield_now().await;
        let ended = Instant::now();
        let ending = if n % 2 == 0 { completed(b"done") } else { Ending::Failed };
        owner.finish(&key, &Finish::new(claim.owner, ending)).await.unwrap();
        let heard = tokio::time::timeout(Duration::from_secs(5), news).await.expect("a hint").unwrap();
        times.push(heard.saturating_duration_since(ended));
    }
    times.sort();
    println!("from sending the ending to the hint: median {:?}, worst {:?} of 50", times[25], times[49]);
}

#[tokio::test]
async fn a_hint_between_two_waits_is_kept_and_other_keys_give_none() {
    let (owner, waiter) = pair(&Redis::shared().url()).await;
    let (mine, other) = (key("mine"), key("other"));
    let (first, second) = (claim(), claim());
    granted(&owner, &mine, &first).await;
    granted(&owner, &other, &second).await;
    listening(&waiter, &mine).await;
    owner.finish(&other, &Finish::new(second.owner, completed(b"done"))).await.unwrap();
    tokio::time::timeout(Duration::from_millis(200), waiter.changed(&mine)).await.expect_err("another's news");
    // Nobody waits while it ends.
    owner.finish(&mine, &Finish::new(first.owner, completed(b"done"))).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), waiter.changed(&mine)).await.expect("a kept hint");
}

#[tokio::test]
async fn the_connection_is_made_when_somebody_waits_and_ends_with_the_store() {
    let redis = Redis::start();
    let (owner, waiter) = pair(&redis.url()).await;
    // Both stores' own, and that of whoever asks here.
    let others = || redis.cli(&["CLIENT", "LIST"]).lines().count() - 3;
    granted(&owner, &key("k"), &claim()).await;
    assert_eq!(others(), 0);
    for n in 0..20 {
        listening(&waiter, &key(&n.to_string())).await;
    }
    let clone = waiter.clone();
    assert_eq!(others(), 1, "one for all");
    assert!(redis.cli(&["PUBSUB", "CHANNELS"]).lines().count() >= 20);
    // Nobody waits any more: they are left, without anybody's doing.
    eventually("the channels are left", || async { redis.cli(&["PUBSUB", "CHANNELS"]).is_empty() }).await;
    drop(waiter);
    assert_eq!(others(), 1);
    drop((clone, owner));
    eventually("all are closed", || async { redis.cli(&["CLIENT", "LIST"]).lines().count() == 1 }).await;
}

#[tokio::test]
async fn a_broken_connection_is_made_again_and_what_it_missed_is_hinted_at() {
    let redis = Redis::shared();
    let proxy = Proxy::start(redis.port());
    let prefix = prefix();
    let owner = builder().key_prefix(&*prefix).connect(&redis.url()).await.unwrap();
    let waiter = builder().key_prefix(&*prefix).connect(&proxy.url(&redis.url())).await.unwrap();
    let (key, claim) = (key("k"), claim());
    granted(&owner, &key, &claim).await;
    listening(&waiter, &key).await;
    let mut waiting = Box::pin(waiter.changed(&key));
    tokio::time::timeout(Duration::from_millis(50), &mut waiting).await.expect_err("no news");
    proxy.reset_connections();
    tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("whatever it missed");
    let waiting = waiter.changed(&key);
    let ending = async {
        tokio::task::yield_now().await;
        owner.finish(&key, &Finish::new(claim.owner, completed(b"done"))).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(5), async { tokio::join!(waiting, ending) }).await.expect("news");
}

#[tokio::test]
async fn where_nobody_may_listen_no_hint_comes_and_nothing_fails() {
    let redis = Redis::builder().user("deaf", "on >s ~* +@all resetchannels").start();
    let store = builder().connect(&redis.url_as("deaf", "s")).await.unwrap();
    let (key, claim) = (key("k"), claim());
    granted(&store, &key, &claim).await;
    let waiting = tokio::time::timeout(Duration::from_millis(300), store.changed(&key));
    waiting.await.expect_err("it never completes");
    store.finish(&key, &Finish::new(claim.owner, completed(b"done"))).await.unwrap();
    assert_eq!(crate::support::replayed(&store, &key).await, b"done");
    let unpushed = builder().push(false).connect(&redis.url()).await.unwrap();
    tokio::time::timeout(Duration::from_millis(100), unpushed.changed(&key)).await.expect_err("not asked for");
    assert_eq!(redis.cli(&["CLIENT", "LIST", "TYPE", "pubsub"]), "");
}

/// A store outlives the runtime that listened for it: the next one listens anew, also for what was waited for before.
#[test]
fn a_store_listens_again_after_its_runtime_is_gone() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (first, key) = (runtime(), key("k"));
    let (_, waiter) = first.block_on(pair(&Redis::shared().url()));
    first.block_on(listening(&waiter, &key));
    drop(first);
    runtime().block_on(listening(&waiter, &key));
}
