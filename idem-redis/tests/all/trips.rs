//! Round trips, counted from the server's own statistics; and that a replay writes nothing.

use idem_core::{Ending, Finish, Store};
use idem_redis::RedisStore;
use idem_test_servers::Redis;

use crate::support::{at, claim, completed, granted, info, key, replayed, step, LEASE, SHORT, TTL};

struct Counted {
    redis: Redis,
    store: RedisStore,
}

impl Counted {
    async fn new() -> Self {
        let redis = Redis::start();
        let store = at(&redis.url()).await;
        let (key, claim) = (key("warm"), claim());
        // Every script is known from here on.
        granted(&store, &key, &claim).await;
        store.renew(&key, claim.owner).await.unwrap();
        store.save_step(&key, &idem_core::SaveStep::new(claim.owner, 0, step("s", b""))).await.unwrap();
        store.finish(&key, &Finish::new(claim.owner, completed(b"warm"))).await.unwrap();
        store.load(&key).await.unwrap();
        Self { redis, store }
    }

    /// What the client sent, and changes of the data set. What the scripts call themselves is counted by the server, too;
    /// so is this look.
    fn count(&self) -> (u64, u64) {
        const WITHIN: [&str; 5] = ["get", "set", "time", "publish", "info"];
        let stats = self.redis.cli(&["INFO", "commandstats"]);
        let calls = |line: &str| {
            let (name, rest) = line.trim().strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let calls: u64 = rest.split(',').next()?.parse().ok()?;
            (!WITHIN.contains(&name)).then_some(calls)
        };
        let sent = stats.lines().filter_map(calls).sum();
        (sent, info(&self.redis, "persistence", "rdb_changes_since_last_save"))
    }

    async fn trips(&self, what: impl std::future::Future<Output = ()>) -> (u64, u64) {
        let (sent, changes) = self.count();
        what.await;
        let (sent_after, changes_after) = self.count();
        (sent_after - sent, changes_after - changes)
    }
}

#[tokio::test]
async fn fresh_2_replay_1_without_a_write_conflict_1_takeover_2() {
    let counted = Counted::new().await;
    let store = &counted.store;
    let (fresh, other) = (key("fresh"), key("other"));
    let run = |key: idem_core::Key, result: &'static [u8]| async move {
        let claim = claim();
        granted(store, &key, &claim).await;
        store.finish(&key, &Finish::new(claim.owner, completed(result))).await.unwrap();
    };
    assert_eq!(counted.trips(run(fresh.clone(), b"done")).await, (2, 2), "fresh");
    let replay = async { assert_eq!(replayed(store, &fresh).await, b"done") };
    assert_eq!(counted.trips(replay).await, (1, 0), "a replay");
    granted(store, &other, &claim()).await;
    let conflict = async {
        let answer = store.claim(&other, &claim()).await.unwrap();
        assert!(matches!(answer, idem_core::Claimed::Running { .. }));
    };
    assert_eq!(counted.trips(conflict).await, (1, 0), "a conflict");
    let lapsed = key("lapsed");
    granted(store, &lapsed, &idem_core::Claim::new(idem_core::Owner::random(), SHORT, TTL)).await;
    tokio::time::sleep(SHORT).await;
    assert_eq!(counted.trips(run(lapsed, b"taken over")).await, (2, 2), "a takeover");
    let claim = idem_core::Claim::new(idem_core::Owner::random(), LEASE, TTL);
    let stepped = key("stepped");
    granted(store, &stepped, &claim).await;
    let save = async {
        let save = idem_core::SaveStep::new(claim.owner, 0, step("s", b"r"));
        assert_eq!(store.save_step(&stepped, &save).await.unwrap(), idem_core::Ownership::Held);
    };
    assert_eq!(counted.trips(save).await, (1, 1), "a step");
    let again = async {
        assert_eq!(
            store.finish(&fresh, &Finish::new(claim.owner, Ending::Failed)).await.unwrap(),
            idem_core::Ownership::Lost
        );
    };
    assert_eq!(counted.trips(again).await, (1, 0), "a former owner's ending");
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_scripts_is_told_them_again() {
    let redis = Redis::start();
    let store = at(&redis.url()).await;
    let (key, claim) = (key("k"), claim());
    let forget = || assert_eq!(redis.cli(&["SCRIPT", "FLUSH"]), "OK");
    granted(&store, &key, &claim).await;
    forget();
    assert_eq!(store.renew(&key, claim.owner).await.unwrap(), idem_core::Ownership::Held);
    forget();
    store.finish(&key, &Finish::new(claim.owner, completed(b"done"))).await.unwrap();
    forget();
    assert_eq!(replayed(&store, &key).await, b"done");
    forget();
    assert_eq!(store.load(&key).await.unwrap().unwrap().attempt, 1);
}
