//! PostgreSQL, beside the bare statements.

use std::collections::HashMap;
use std::sync::Arc;

use deadpool_postgres::{Manager, Pool};
use idem::{Owner, Store};
use idem_benches::report::Report;
use idem_postgres::PgStore;
use idem_test_servers::{Database, Postgres};
use tokio::runtime::Runtime;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{NoTls, Row};

use crate::remote::{self, Bare, Sample, Setting};

pub(crate) fn run(report: &mut Report) {
    report.part(
        "PostgreSQL",
        "A whole call of the annotated function beside the statements that it sends, read from the server, sent bare on the same pool \
         of 16 connections; both prepare them once a connection. `fsync` and `synchronous_commit` are on.",
    );
    remote::run(report, |runtime| runtime.block_on(OnPostgres::start(&[])));
}

pub(crate) struct OnPostgres {
    pub(crate) database: Database,
    pub(crate) store: PgStore,
    pub(crate) pool: Pool,
    claim: String,
    finish: String,
    _server: Postgres,
}

impl OnPostgres {
    pub(crate) async fn start(config: &[&str]) -> Self {
        let server = Postgres::builder().config("track_activity_query_size = 16384");
        let server = config.iter().fold(server, |server, line| server.config(*line)).start();
        let database = server.fresh_database();
        let (claim, finish) = statements(&database).await;
        let config = database.url().parse().expect("a URL");
        let pool = Pool::builder(Manager::new(config, NoTls)).max_size(16).build().expect("a pool");
        let store = PgStore::with_pool(pool.clone()).prepared(true).build().await.expect("a store");
        Self { database, store, pool, claim, finish, _server: server }
    }
}

/// The last statement of a session of the store's own, after each verb.
async fn statements(database: &Database) -> (String, String) {
    let own = PgStore::connect(&database.url()).await.expect("a store");
    let sent = || {
        let last = "SELECT query FROM pg_stat_activity WHERE application_name = 'idem' AND query LIKE '%records%' \
                    AND datname = current_database() ORDER BY query_start DESC LIMIT 1";
        database.psql(last)
    };
    let (key, owner) = (remote::key(0), Owner::random());
    let claim = idem::Claim::new(owner, std::time::Duration::from_secs(15), std::time::Duration::from_secs(60));
    own.claim(&key, &claim).await.expect("an answer");
    let claim = sent();
    own.finish(&key, &idem::Finish::new(owner, idem::Ending::Failed)).await.expect("an answer");
    (claim, sent())
}

impl Setting for OnPostgres {
    type Bare = Statements;
    const NAME: &'static str = "PostgreSQL";
    const BUDGET: Option<f64> = Some(1.15);

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn bare(&self, _: &Runtime, sample: Sample, keys: u64) -> Statements {
        // A record's id is 32 bytes that the client makes of its key.
        let all = self.database.psql("SELECT encode(key, 'hex') || ' ' || encode(id, 'hex') FROM idem.records");
        let ids: HashMap<_, _> = all.lines().filter_map(|line| line.split_once(' ')).collect();
        let id = |n| *ids.get(&*hex(remote::key(sample.id + n).as_bytes())).expect("it is done");
        Statements {
            pool: self.pool.clone(),
            claim: self.claim.clone(),
            finish: self.finish.clone(),
            first: sample.id,
            done: (0..keys).map(|n| unhex(id(n))).collect(),
            key: sample.key.as_bytes().to_vec(),
            result: sample.payload.as_bytes().to_vec(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).expect("hex")).collect()
}

/// The statements as they are sent.
pub(crate) struct Statements {
    pool: Pool,
    claim: String,
    finish: String,
    /// Of the first key that is done, and the ids of the records from there on.
    first: u64,
    done: Vec<Vec<u8>>,
    key: Vec<u8>,
    result: Vec<u8>,
}

const CLAIM: [Type; 9] =
    [Type::BYTEA, Type::BYTEA, Type::BYTEA, Type::BYTEA, Type::BOOL, Type::BOOL, Type::INT8, Type::INT8, Type::TEXT];
const FINISH: [Type; 7] = [Type::BYTEA, Type::BYTEA, Type::TEXT, Type::INT8, Type::BYTEA, Type::BOOL, Type::INT8];

impl Statements {
    async fn send(&self, text: &str, types: &[Type], values: &[&(dyn ToSql + Sync)]) -> Vec<Row> {
        let client = self.pool.get().await.expect("a connection");
        let statement = client.prepare_typed_cached(text, types).await.expect("it is a statement");
        client.query(&statement, values).await.expect("an answer")
    }

    async fn claim(&self, id: &[u8], owner: &[u8]) -> usize {
        let (no, lease, ttl, key) = (false, 15_000_000_i64, 86_400_000_000_i64, self.key.as_slice());
        let values: [&(dyn ToSql + Sync); 9] =
            [&id, &key, &owner, &None::<&[u8]>, &no, &no, &lease, &ttl, &"payments.charge"];
        let rows = self.send(&self.claim, &CLAIM, &values).await;
        rows[0].get::<_, Option<&[u8]>>("result").map_or(0, <[u8]>::len)
    }
}

impl Bare for Statements {
    async fn replay(&self, id: u64) {
        let done = &self.done[usize::try_from(id - self.first).expect("so many")];
        assert_eq!(self.claim(done, Owner::random().as_bytes()).await, self.result.len());
    }

    async fn fresh(&self, _: u64) {
        let owner = Owner::random();
        let id = [owner.as_bytes().as_slice(), owner.as_bytes()].concat();
        self.claim(&id, owner.as_bytes()).await;
        let (owner, result) = (owner.as_bytes().as_slice(), self.result.as_slice());
        let values: [&(dyn ToSql + Sync); 7] = [&id, &owner, &"completed", &3_i64, &Some(result), &false, &-1_i64];
        assert!(self.send(&self.finish, &FINISH, &values).await[0].get::<_, bool>("written"), "it is held");
    }
}
