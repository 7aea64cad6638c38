//! Stores with one mistake each, over real servers: controls, which must be found out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use idem::{
    CasStore, Claim, Claimed, ConditionalStore, Ending, Finish, Key, Owner, Ownership, Record, SaveStep, Settle,
    Settled, Store, StoreError, Timestamp,
};
use idem_postgres::PgStore;
use redis::aio::ConnectionManager;
use tokio_postgres::{Client, NoTls};

use crate::place::At;

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    Nothing,
    /// One result in eight is acknowledged, and not kept.
    Forgets,
    /// Whoever ends a run ends it: the owner is not asked for.
    EndsForAnybody,
    /// It reads in one round trip and writes in another.
    ChecksThenActs,
    /// Its connections are the service's, whose server acknowledges what it has not written yet.
    Hasty,
}

impl Mistake {
    pub(crate) const ALL: [Self; 5] =
        [Self::Nothing, Self::Forgets, Self::EndsForAnybody, Self::ChecksThenActs, Self::Hasty];
}

/// A client's way to the store, with the mistake in it.
pub(crate) async fn open(mistake: Mistake, at: &At) -> Arc<dyn Store> {
    match (mistake, at) {
        (Mistake::Nothing, _) => at.open().await,
        (Mistake::ChecksThenActs, At::Redis { url, prefix }) => {
            let client = redis::Client::open(&**url).unwrap();
            let connection = ConnectionManager::new(client).await.unwrap();
            Arc::new(CasStore::new(InRedis { connection, prefix: prefix.clone() }))
        }
        (Mistake::ChecksThenActs, At::Postgres { url }) => Arc::new(CasStore::new(InPostgres::at(url).await)),
        (Mistake::Hasty, At::Postgres { url }) => {
            let manager = deadpool_postgres::Manager::new(url.parse().unwrap(), NoTls);
            let pool = deadpool_postgres::Pool::builder(manager).max_size(8).build().unwrap();
            Arc::new(PgStore::with_pool(pool).prepared(true).build().await.unwrap())
        }
        (Mistake::ChecksThenActs | Mistake::Hasty, _) => panic!("there is none"),
        (mistake, _) => Arc::new(Careless { mistake, store: at.open().await }),
    }
}

#[derive(Debug)]
struct Careless {
    mistake: Mistake,
    store: Arc<dyn Store>,
}

#[async_trait]
impl Store for Careless {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        self.store.claim(key, claim).await
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        self.store.renew(key, owner).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        let forgotten = self.mistake == Mistake::Forgets && finish.owner.as_bytes()[0].is_multiple_of(8);
        if forgotten && matches!(finish.ending, Ending::Completed(_)) {
            return Ok(Ownership::Held);
        }
        let mut finish = finish.clone();
        if self.mistake == Mistake::EndsForAnybody {
            let whose = self.store.load(key).await?;
            finish = Finish::new(whose.map_or(finish.owner, |record| record.owner), finish.ending);
        }
        self.store.finish(key, &finish).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.store.load(key).await
    }

    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        self.store.save_step(key, save).await
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        self.store.settle(key, settle).await
    }
}

fn unknown(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::unknown(error)
}

/// `GET`, then `SET`.
struct InRedis {
    connection: ConnectionManager,
    prefix: String,
}

impl InRedis {
    fn name(&self, key: &Key) -> Vec<u8> {
        [self.prefix.as_bytes(), key.as_bytes()].concat()
    }
}

#[async_trait]
impl ConditionalStore for InRedis {
    type Version = ();

    async fn get(&self, key: &Key) -> Result<(Option<(Vec<u8>, ())>, Timestamp), StoreError> {
        let mut ask = redis::pipe();
        ask.cmd("GET").arg(self.name(key)).cmd("TIME");
        let (value, (seconds, micros)): (Option<Vec<u8>>, (u64, u64)) =
            ask.query_async(&mut self.connection.clone()).await.map_err(unknown)?;
        Ok((value.map(|bytes| (bytes, ())), Timestamp::from_micros(seconds * 1_000_000 + micros)))
    }

    async fn put_if_version(&self, key: &Key, _: Option<&()>, bytes: &[u8], _: Duration) -> Result<bool, StoreError> {
        let mut set = redis::cmd("SET");
        set.arg(self.name(key)).arg(bytes);
        set.query_async::<()>(&mut self.connection.clone()).await.map_err(unknown)?;
        Ok(true)
    }
}

impl std::fmt::Debug for InRedis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InRedis")
    }
}

/// `SELECT`, then an upsert.
struct InPostgres(Client);

impl InPostgres {
    async fn at(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        // Two at once may quarrel over the name.
        let _ = client.batch_execute("CREATE TABLE IF NOT EXISTS careless (key bytea PRIMARY KEY, record bytea)").await;
        Self(client)
    }
}

#[async_trait]
impl ConditionalStore for InPostgres {
    type Version = ();

    async fn get(&self, key: &Key) -> Result<(Option<(Vec<u8>, ())>, Timestamp), StoreError> {
        let read = "SELECT (SELECT record FROM careless WHERE key = $1), \
            (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let row = self.0.query_one(read, &[&key.as_bytes()]).await.map_err(unknown)?;
        let (record, now): (Option<Vec<u8>>, i64) = (row.get(0), row.get(1));
        Ok((record.map(|bytes| (bytes, ())), Timestamp::from_micros(now.unsigned_abs())))
    }

    async fn put_if_version(&self, key: &Key, _: Option<&()>, bytes: &[u8], _: Duration) -> Result<bool, StoreError> {
        let write = "INSERT INTO careless VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET record = $2";
        self.0.execute(write, &[&key.as_bytes(), &bytes]).await.map_err(unknown)?;
        Ok(true)
    }
}

impl std::fmt::Debug for InPostgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InPostgres")
    }
}
