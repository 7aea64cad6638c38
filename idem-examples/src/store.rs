//! The store that `--store` names.

use std::error::Error;
use std::sync::Arc;

use idem::{MokaStore, Store};

/// Opens `memory`, `redis://…`, `postgres://…` or `sqlite:FILE`.
///
/// # Errors
/// When it is none of these, was not built with its feature, or the store's own error.
pub async fn open(store: &str) -> Result<Arc<dyn Store>, Box<dyn Error + Send + Sync>> {
    match store.split_once(':') {
        None if store == "memory" => Ok(Arc::new(MokaStore::new())),
        #[cfg(feature = "redis")]
        Some(("redis" | "rediss", _)) => Ok(Arc::new(idem_redis::RedisStore::connect(store).await?)),
        #[cfg(feature = "postgres")]
        Some(("postgres" | "postgresql", _)) => Ok(Arc::new(idem_postgres::PgStore::connect(store).await?)),
        #[cfg(feature = "sqlite")]
        Some(("sqlite", file)) => Ok(Arc::new(idem_sqlite::SqliteStore::open(file).await?)),
        Some((scheme, _)) if ["redis", "rediss", "postgres", "postgresql", "sqlite"].contains(&scheme) => {
            Err(format!("--store {scheme}: this was built without it; build with `--features stores`").into())
        }
        _ => Err("--store takes memory, redis://…, postgres://… or sqlite:FILE".into()),
    }
}
