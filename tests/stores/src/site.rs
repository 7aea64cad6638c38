//! Stores that many processes open.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use idem::{Store, Tiered};
use idem_postgres::PgStore;
use idem_redis::RedisStore;
use idem_sqlite::SqliteStore;
use idem_test_servers::{Postgres, Redis};

use crate::Place;

/// What a process has to know to open the store: a line of text.
#[derive(Debug, Clone)]
pub struct Address {
    place: Place,
    /// What tells this store from others on the same server.
    name: String,
    push: bool,
    tiered: bool,
    at: String,
}

/// An empty store of a test, and a directory. Both go when it is dropped.
#[derive(Debug)]
pub struct Site {
    address: Address,
    dir: PathBuf,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Place {
    /// A store on a server that all tests of this process share, by its own clock.
    pub fn site(self) -> Site {
        self.on(Postgres::shared, Redis::shared)
    }

    /// The same on servers that do not wait for their disks: for tests that kill anybody but them.
    pub fn hasty_site(self) -> Site {
        static POSTGRES: OnceLock<Postgres> = OnceLock::new();
        static REDIS: OnceLock<Redis> = OnceLock::new();
        let postgres = || Postgres::builder().config("max_connections = 500").config("fsync = off").start();
        let redis = || Redis::builder().config("appendfsync no").start();
        self.on(|| POSTGRES.get_or_init(postgres), || REDIS.get_or_init(redis))
    }

    fn on(self, postgres: impl FnOnce() -> &'static Postgres, redis: impl FnOnce() -> &'static Redis) -> Site {
        let name = format!("idem-site-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(&name);
        fs::create_dir(&dir).expect("a directory");
        let at = match self {
            Self::Postgres => postgres().fresh_database().url(),
            Self::Redis => redis().url(),
            Self::Sqlite => dir.join("idem.db").display().to_string(),
        };
        Site { address: Address { place: self, name, push: false, tiered: false, at }, dir }
    }
}

impl Site {
    /// With a memory in front.
    pub fn tiered(mut self) -> Self {
        self.address.tiered = true;
        self
    }

    /// With hints from the server, where it is one.
    pub fn push(mut self) -> Self {
        self.address.push = true;
        self
    }

    /// How to open it.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Where bodies leave what they did.
    pub fn effects(&self) -> PathBuf {
        self.dir.join("effects")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Address {
    /// A handle of its own: it shares nothing with others in this process.
    pub async fn open(&self) -> Arc<dyn Store> {
        match self.place {
            Place::Postgres => {
                self.behind_memory(PgStore::builder(&self.at).push(self.push).build().await.expect("a store"))
            }
            Place::Redis => {
                let builder = RedisStore::builder().key_prefix(&*self.name).push(self.push);
                self.behind_memory(builder.connect(&self.at).await.expect("a store"))
            }
            Place::Sqlite => self.behind_memory(SqliteStore::open(Path::new(&self.at)).await.expect("a store")),
        }
    }

    fn behind_memory(&self, store: impl Store) -> Arc<dyn Store> {
        if self.tiered {
            Arc::new(Tiered::new(store))
        } else {
            Arc::new(store)
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, name, push, tiered, at } = self;
        write!(f, "{place:?} {name} {push} {tiered} {at}")
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.splitn(5, ' ').collect();
        let [place, name, push, tiered, at] = words[..] else { return Err(text.into()) };
        let place =
            [Place::Postgres, Place::Redis, Place::Sqlite].into_iter().find(|known| format!("{known:?}") == place);
        let yes = |word| word == "true";
        let (name, at) = (name.to_owned(), at.to_owned());
        Ok(Self { place: place.ok_or(text)?, name, push: yes(push), tiered: yes(tiered), at })
    }
}
