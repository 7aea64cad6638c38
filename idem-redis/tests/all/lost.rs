//! Lost answers, black holes, kills.

use std::time::{Duration, Instant};

use idem_core::{Applied, Claimed, Ending, Finish, Ownership, SaveStep, Settle, Settled, Settlement, Store};
use idem_test_servers::{Mode, Proxy, Redis};

use crate::support::{at, claim, completed, granted, key, replayed, step, why};

#[tokio::test]
async fn every_verb_is_sent_again_after_a_lost_answer_and_answers_the_same() {
    let redis = Redis::shared();
    let proxy = Proxy::start(redis.port());
    let store = at(&proxy.url(&redis.url())).await;
    let (key, claim) = (key("k"), claim());
    macro_rules! twice {
        ($verb:expr) => {{
            proxy.lose_next_answer();
            let error = $verb.await.unwrap_err();
            assert_eq!(error.applied(), Applied::Unknown, "{error:?}");
            assert!(!proxy.is_armed());
            $verb.await.unwrap()
        }};
    }
    // The scripts are known: what is lost is the answer to the verb itself.
    granted(&store, &self::key("warm"), &claim).await;
    let Claimed::Granted(grant) = twice!(store.claim(&key, &claim)) else { panic!("granted") };
    let record = store.load(&key).await.unwrap().unwrap();
    assert_eq!((grant.attempt, record.attempt, grant.fence), (1, 1, record.fence));
    assert_eq!(twice!(store.renew(&key, claim.owner)), Ownership::Held);
    let save = SaveStep::new(claim.owner, 0, step("s", b"r"));
    store.save_step(&self::key("warm"), &save).await.unwrap();
    assert_eq!(twice!(store.save_step(&key, &save)), Ownership::Held);
    assert_eq!(store.load(&key).await.unwrap().unwrap().steps.count(), 1);
    store.finish(&self::key("warm"), &Finish::new(claim.owner, Ending::Failed)).await.unwrap();
    assert_eq!(twice!(store.finish(&key, &Finish::new(claim.owner, Ending::Unknown))), Ownership::Held);
    let seen = twice!(store.load(&key)).unwrap();
    let settle = Settle::new(&seen, idem_core::Owner::random(), Settlement::Failed);
    store.settle(&self::key("warm"), &settle).await.unwrap();
    assert_eq!(twice!(store.settle(&key, &settle)), Settled::Applied);
    assert_eq!(store.load(&key).await.unwrap().unwrap().owner, settle.owner);
}

#[tokio::test]
async fn behind_a_black_hole_nothing_waits_for_ever_and_it_heals() {
    let redis = Redis::shared();
    let proxy = Proxy::start(redis.port());
    let store = at(&proxy.url(&redis.url())).await;
    let (key, claim) = (key("k"), claim());
    granted(&store, &key, &claim).await;
    proxy.set(Mode::BlackHole);
    // As the engine does it: the future is dropped.
    tokio::time::timeout(Duration::from_millis(1_200), store.renew(&key, claim.owner)).await.unwrap_err();
    // Its connection was left with it. The next verb makes a new one, which vanishes, too: a typed error in a bounded time.
    let asked = Instant::now();
    let renew = tokio::time::timeout(Duration::from_secs(10), store.renew(&key, claim.owner)).await;
    let error = renew.expect("an end").unwrap_err();
    assert_eq!((error.applied(), error.is_retryable()), (Applied::No, true), "{:?}", why(&error));
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    proxy.set(Mode::Pass);
    let healed = Instant::now();
    crate::support::eventually("it works again", || async {
        matches!(store.renew(&key, claim.owner).await, Ok(Ownership::Held))
    })
    .await;
    assert!(healed.elapsed() < Duration::from_secs(3), "{:?}", healed.elapsed());
    assert_eq!(proxy.open(), 1, "one connection, and no more");
}

#[tokio::test]
async fn a_server_that_stands_still_costs_a_connection_and_no_more() {
    let redis = Redis::start();
    let store = at(&redis.url()).await;
    let (key, claim) = (key("k"), claim());
    granted(&store, &key, &claim).await;
    redis.pause();
    tokio::time::timeout(
        Duration::from_millis(1_100),
        store.finish(&key, &Finish::new(claim.owner, completed(b"late"))),
    )
    .await
    .unwrap_err();
    redis.resume();
    // What was asked for meanwhile is done: sent again it is the same ending.
    assert_eq!(store.finish(&key, &Finish::new(claim.owner, completed(b"late"))).await.unwrap(), Ownership::Held);
    assert_eq!(replayed(&store, &key).await, b"late");
}

#[tokio::test]
async fn many_verbs_dropped_at_any_point_leave_the_connection_usable() {
    let redis = Redis::start();
    let store = at(&redis.url()).await;
    for n in 0..200_u64 {
        let (key, claim) = (key(&n.to_string()), claim());
        let _ = tokio::time::timeout(Duration::from_micros(n * 2), store.claim(&key, &claim)).await;
        granted(&store, &key, &claim).await;
        let result = n.to_string().into_bytes();
        let _ = tokio::time::timeout(
            Duration::from_micros(n * 2),
            store.finish(&key, &Finish::new(claim.owner, completed(&result))),
        )
        .await;
        assert_eq!(store.finish(&key, &Finish::new(claim.owner, completed(&result))).await.unwrap(), Ownership::Held);
        assert_eq!(replayed(&store, &key).await, result);
    }
    let clients = redis.cli(&["CLIENT", "LIST", "TYPE", "normal"]);
    assert_eq!(clients.lines().count(), 2, "the store's, and the one that asks: {clients}");
}

#[tokio::test]
async fn a_kill_and_a_restart_keep_lock_and_record_and_fences_rise() {
    let redis = Redis::builder().config("appendfsync always").start();
    let store = at(&redis.url()).await;
    assert_eq!(store.warnings(), []);
    let (done, running) = (key("done"), key("running"));
    let (first, second) = (claim(), claim());
    granted(&store, &done, &first).await;
    store.finish(&done, &Finish::new(first.owner, completed(b"done"))).await.unwrap();
    let fence = granted(&store, &running, &second).await.fence;
    redis.kill();
    redis.restart();
    crate::support::eventually("it is there again", || async { store.load(&done).await.is_ok() }).await;
    assert_eq!(replayed(&store, &done).await, b"done");
    assert!(matches!(store.claim(&running, &claim()).await.unwrap(), Claimed::Running { .. }));
    assert_eq!(store.renew(&running, second.owner).await.unwrap(), Ownership::Held);
    store.finish(&running, &Finish::new(second.owner, Ending::Failed)).await.unwrap();
    assert!(granted(&store, &running, &claim()).await.fence > fence);
    // Deleted by whoever did: the next fence is above all before.
    let before = store.load(&running).await.unwrap().unwrap().fence;
    assert_eq!(redis.cli(&["FLUSHALL"]), "OK");
    assert!(granted(&store, &running, &claim()).await.fence > before);
}

#[tokio::test]
async fn redis_forgets_by_itself_what_is_over_and_not_before() {
    let redis = Redis::start();
    let store = at(&redis.url()).await;
    let short =
        idem_core::Claim::new(idem_core::Owner::random(), Duration::from_millis(300), Duration::from_millis(300));
    granted(&store, &key("short"), &short).await;
    granted(&store, &key("kept"), &claim()).await;
    assert_eq!(redis.cli(&["DBSIZE"]), "2");
    crate::support::eventually("it is forgotten", || async { redis.cli(&["DBSIZE"]) == "1" }).await;
    assert!(store.load(&key("kept")).await.unwrap().is_some());
    assert!(store.sweep(10).await.is_err(), "there is nothing to sweep");
}
