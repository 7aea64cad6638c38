use std::sync::atomic::{AtomicUsize, Ordering};

use idem_redis::{RedisStore, RedisStoreBuilder};
use idem_test_servers::Redis;

/// A prefix that nobody else uses.
pub(crate) fn prefix() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("t{}*?[x]:", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn builder() -> RedisStoreBuilder {
    RedisStore::builder().key_prefix(prefix())
}

pub(crate) async fn store() -> RedisStore {
    builder().connect(&Redis::shared().url()).await.expect("a store")
}
