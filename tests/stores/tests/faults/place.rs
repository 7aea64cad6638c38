//! The servers of a run, and how clients reach them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use idem::Store;
use idem_postgres::PgStore;
use idem_redis::RedisStore;
use idem_sqlite::SqliteStore;
use idem_test_servers::{Postgres, Proxy, Redis};

use crate::dice::Dice;

/// Where a client finds the store: words.
#[derive(Debug, Clone)]
pub(crate) enum At {
    Redis { url: String, prefix: String },
    Postgres { url: String },
    Sqlite { path: String },
}

/// A run's server, which is its own: it is killed and stopped.
#[derive(Debug)]
pub(crate) enum Server {
    Redis(Redis),
    Postgres(Postgres),
    /// A file in the round's directory.
    Sqlite,
}

impl At {
    /// A handle of its own. The server may be away for a while.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        let began = Instant::now();
        loop {
            let error = match self.try_open().await {
                Ok(store) => return store,
                Err(error) => error,
            };
            assert!(began.elapsed() < Duration::from_secs(20), "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn try_open(&self) -> Result<Arc<dyn Store>, String> {
        Ok(match self {
            Self::Redis { url, prefix } => {
                let store = RedisStore::builder().key_prefix(prefix.as_bytes()).connect(url);
                Arc::new(store.await.map_err(|error| error.to_string())?)
            }
            Self::Postgres { url } => {
                let store = PgStore::builder(url).push(true).build();
                Arc::new(store.await.map_err(|error| error.to_string())?)
            }
            Self::Sqlite { path } => {
                Arc::new(SqliteStore::open(Path::new(path)).await.map_err(|error| error.to_string())?)
            }
        })
    }

    pub(crate) fn words(&self) -> String {
        match self {
            Self::Redis { url, prefix } => format!("redis {url} {prefix}"),
            Self::Postgres { url } => format!("postgres {url} -"),
            Self::Sqlite { path } => format!("sqlite {path} -"),
        }
    }

    pub(crate) fn of(words: [&str; 3]) -> Self {
        match words {
            ["redis", url, prefix] => Self::Redis { url: url.into(), prefix: prefix.into() },
            ["postgres", url, _] => Self::Postgres { url: url.into() },
            [_, path, _] => Self::Sqlite { path: path.into() },
        }
    }
}

impl Server {
    /// A proxy before it; a file has none.
    pub(crate) fn proxy(&self) -> Option<Proxy> {
        match self {
            Self::Redis(redis) => Some(Proxy::start(redis.port())),
            Self::Postgres(postgres) => Some(Proxy::start(postgres.port())),
            Self::Sqlite => None,
        }
    }

    /// How to reach it by way of the proxy, in a round that shares nothing with others.
    pub(crate) fn at(&self, proxy: Option<&Proxy>, round: &str, dir: &Path) -> At {
        let by_way = |url: String| proxy.map_or(url.clone(), |proxy| proxy.url(&url));
        match self {
            Self::Redis(redis) => At::Redis { url: by_way(redis.url()), prefix: format!("{round}:") },
            // Rounds differ in their keys' namespace.
            Self::Postgres(postgres) => At::Postgres { url: by_way(postgres.url()) },
            Self::Sqlite => At::Sqlite { path: dir.join("idem.db").display().to_string() },
        }
    }

    pub(crate) fn kill(&self) {
        match self {
            Self::Redis(redis) => redis.kill(),
            Self::Postgres(postgres) => postgres.kill(),
            Self::Sqlite => {}
        }
    }

    pub(crate) fn restart(&self) {
        match self {
            Self::Redis(redis) => redis.restart(),
            Self::Postgres(postgres) => postgres.restart(),
            Self::Sqlite => {}
        }
    }

    pub(crate) fn pause(&self) {
        match self {
            Self::Redis(redis) => redis.pause(),
            Self::Postgres(postgres) => postgres.pause(),
            Self::Sqlite => {}
        }
    }

    pub(crate) fn resume(&self) {
        match self {
            Self::Redis(redis) => redis.resume(),
            Self::Postgres(postgres) => postgres.resume(),
            Self::Sqlite => {}
        }
    }

    /// Something that the server itself does to its clients, or to what they have left there.
    pub(crate) fn disturb(&self, dice: &mut Dice, counts: &mut BTreeMap<&'static str, usize>) {
        let what = match self {
            Self::Redis(redis) if dice.one_in(2) => {
                redis.cli(&["SCRIPT", "FLUSH"]);
                "scripts flushed"
            }
            Self::Redis(redis) => {
                redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
                "connections killed"
            }
            Self::Postgres(postgres) => {
                let others = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
                let _ = postgres.main_database().try_psql(&format!("SELECT pg_terminate_backend(pid) {others}"));
                "backends terminated"
            }
            Self::Sqlite => return,
        };
        *counts.entry(what).or_default() += 1;
    }
}
