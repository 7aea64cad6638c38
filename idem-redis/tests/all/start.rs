//! What a store looks at when it connects.

use idem_redis::{Error, RedisStore, Warning};
use idem_test_servers::Redis;

use crate::support::{claim, granted, key};

#[tokio::test]
async fn a_server_that_evicts_is_refused_unless_it_was_allowed() {
    let redis = Redis::builder().config("maxmemory 100mb").config("maxmemory-policy allkeys-lru").start();
    let error = RedisStore::connect(&redis.url()).await.unwrap_err();
    assert!(matches!(&error, Error::Evicts { policy } if policy == "allkeys-lru"), "{error:?}");
    assert!(error.to_string().contains("noeviction") && error.to_string().contains("allow_eviction"));
    let store = RedisStore::builder().allow_eviction().connect(&redis.url()).await.unwrap();
    assert_eq!(store.warnings(), [Warning::Evicts { policy: "allkeys-lru".to_owned() }]);
    granted(&store, &key("k"), &claim()).await;
    assert_eq!(redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]), "OK");
    assert_eq!(RedisStore::connect(&redis.url()).await.unwrap().warnings(), []);
}

#[tokio::test]
async fn a_server_that_forgets_is_warned_of_or_refused() {
    let redis = Redis::builder().config("appendonly no").start();
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    assert_eq!(store.warnings(), [Warning::Forgets]);
    let strict = || RedisStore::builder().require_persistence();
    assert!(matches!(strict().connect(&redis.url()).await.unwrap_err(), Error::Forgets));
    assert_eq!(strict().connect(&Redis::shared().url()).await.unwrap().warnings(), []);
}

#[tokio::test]
async fn the_services_own_connection_is_looked_at_too() {
    let redis = Redis::builder().config("maxmemory-policy volatile-ttl").start();
    let client = redis::Client::open(redis.url()).unwrap();
    let manager = client.get_connection_manager().await.unwrap();
    let error = RedisStore::from_connection(manager.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Evicts { .. }), "{error:?}");
    let store = RedisStore::builder().allow_eviction().from_connection(manager).await.unwrap();
    granted(&store, &key("k"), &claim()).await;
}

#[tokio::test]
async fn a_store_shows_no_secrets_and_stores_with_other_prefixes_share_nothing() {
    let redis = Redis::builder().password("geheim").start();
    let store = |prefix: &'static str| {
        let url = redis.url();
        async move { RedisStore::builder().key_prefix(prefix).connect(&url).await.unwrap() }
    };
    let (one, other) = (store("one:").await, store("other:").await);
    assert!(!format!("{one:?} {:?}", RedisStore::builder()).contains("geheim"));
    granted(&one, &key("k"), &claim()).await;
    granted(&other, &key("k"), &claim()).await;
}
