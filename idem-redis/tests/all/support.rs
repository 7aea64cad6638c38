use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use idem_core::{Claim, Claimed, Completion, Ending, Grant, Key, Owner, Payload, Step, Store, StoreError};
use idem_redis::{Error, RedisStore, RedisStoreBuilder};
use idem_test_servers::Redis;

pub(crate) const LEASE: Duration = Duration::from_secs(600);
pub(crate) const TTL: Duration = Duration::from_secs(3600);
pub(crate) const SHORT: Duration = Duration::from_millis(50);

/// A prefix that nobody else uses, and that a pattern must not take for one.
pub(crate) fn prefix() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("t{}*?[x]:", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn builder() -> RedisStoreBuilder {
    RedisStore::builder().key_prefix(prefix())
}

pub(crate) async fn store() -> RedisStore {
    at(&Redis::shared().url()).await
}

pub(crate) async fn at(url: &str) -> RedisStore {
    builder().connect(url).await.expect("a store")
}

pub(crate) fn key(part: &str) -> Key {
    Key::new("test", "redis", part).unwrap()
}

pub(crate) fn claim() -> Claim {
    Claim::new(Owner::random(), LEASE, TTL)
}

pub(crate) fn completed(bytes: &[u8]) -> Ending {
    Ending::Completed(Completion::Result(Payload::from_bytes(bytes)))
}

pub(crate) fn step(name: &str, result: &[u8]) -> Step {
    Step::new(name, Payload::from_bytes(result))
}

pub(crate) async fn granted(store: &RedisStore, key: &Key, claim: &Claim) -> Grant {
    match store.claim(key, claim).await {
        Ok(Claimed::Granted(grant)) => grant,
        other => panic!("a claim that had to be granted: {other:?}"),
    }
}

pub(crate) async fn replayed(store: &RedisStore, key: &Key) -> Vec<u8> {
    match store.claim(key, &claim()).await {
        Ok(Claimed::Completed(done)) => match done.completion {
            Completion::Result(payload) => payload.as_bytes().to_vec(),
            other => panic!("{other:?}"),
        },
        other => panic!("a key that is done: {other:?}"),
    }
}

/// What the store says of its failure.
pub(crate) fn why(error: &StoreError) -> Error {
    error.source().and_then(|source| source.downcast_ref::<Error>()).expect("an error of this crate").clone()
}

pub(crate) async fn eventually<F: std::future::Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A number from `INFO`.
pub(crate) fn info(redis: &Redis, section: &str, field: &str) -> u64 {
    let info = redis.cli(&["INFO", section]);
    let value = info.lines().find_map(|line| line.trim().strip_prefix(field)?.strip_prefix(':').map(str::to_owned));
    value.unwrap_or_else(|| panic!("{field} in {info}")).parse().unwrap()
}
