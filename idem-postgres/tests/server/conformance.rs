//! The conformance suite, on every way to a server.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool_postgres::{Manager, Pool};
use idem_core::{Store, Tiered};
use idem_postgres::PgStore;
use idem_test_servers::{Database, PgBouncer, Postgres, PostgresBuilder};
use idem_testing::Suite;
use tokio_postgres::NoTls;

use crate::support::{assert_replays, call, connect, key};

async fn suite(store: impl Store) {
    of(store).run().await.assert();
}

/// With leases to wait for that a busy machine keeps to.
fn of(store: impl Store) -> Suite {
    Suite::new(store).short(Duration::from_millis(100))
}

/// On a server that does not wait for its disk: leases are short here, and nothing is killed.
fn fresh_database() -> Database {
    static QUICK: OnceLock<Postgres> = OnceLock::new();
    QUICK.get_or_init(|| quick().config("max_connections = 300").start()).fresh_database()
}

fn quick() -> PostgresBuilder {
    Postgres::builder().config("fsync = off")
}

fn deadpool(url: &str) -> Pool {
    let manager = Manager::new(url.parse().unwrap(), NoTls);
    Pool::builder(manager).max_size(4).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn over_one_handle() {
    suite(connect(&fresh_database().url()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_two_handles() {
    let url = fresh_database().url();
    let (one, other) = (connect(&url).await, connect(&url).await);
    of(one).handle(other).run().await.assert();
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_tier_and_behind_pointers() {
    let url = fresh_database().url();
    let boxed: Box<dyn Store> = Box::new(connect(&url).await);
    let shared: Arc<dyn Store> = Arc::new(connect(&url).await);
    tokio::join!(suite(Tiered::new(connect(&url).await)), suite(boxed), suite(shared));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_users_deadpool() {
    let url = fresh_database().url();
    let on = |prepared| PgStore::with_pool(deadpool(&url)).prepared(prepared).build();
    let (one, other) = (on(true).await.unwrap(), on(false).await.unwrap());
    of(one).handle(other).run().await.assert();
}

#[cfg(feature = "sqlx")]
#[tokio::test(flavor = "multi_thread")]
async fn on_a_users_pool_of_sqlxs() {
    let url = fresh_database().url();
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    let prepared = PgStore::with_sqlx(pool.clone()).prepared(true).build().await.unwrap();
    let plain = PgStore::with_sqlx(pool).build().await.unwrap();
    // Each alone, for their ways to the server are two; at the same time, for they wait most of it.
    tokio::join!(suite(prepared), suite(plain));
}

#[tokio::test(flavor = "multi_thread")]
async fn telling_of_endings() {
    let url = fresh_database().url();
    let push = || async { PgStore::builder(&url).push(true).build().await.unwrap() };
    of(push().await).handle(push().await).run().await.assert();
}

/// Names that SQL, this crate's templates and its literals could take for their own.
#[tokio::test(flavor = "multi_thread")]
async fn in_schemas_with_odd_names() {
    let database = fresh_database();
    let long = "ü".repeat(31);
    for name in [r#"it's $1 "quoted"\ {now} $idem$ --"#, " ", long.as_str()] {
        let store = PgStore::builder(&database.url()).schema(name).push(true).build().await.unwrap();
        call(&store, &key(name), b"charged").await;
        assert_replays(&store, &key(name), b"charged").await;
        let there = "SELECT count(*) FROM pg_tables WHERE tablename = 'records' AND schemaname = $n$";
        assert_eq!(database.psql(&format!("{there}{name}$n$")), "1");
        assert!(PgStore::builder(&database.url()).schema(name).migrate(false).build().await.is_ok());
        #[cfg(feature = "sqlx")]
        {
            let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
            let plain = PgStore::with_sqlx(pool).schema(name).build().await.unwrap();
            assert_replays(&plain, &key(name), b"charged").await;
        }
    }
    for name in ["", "a\0b", &"x".repeat(64)] {
        let error = PgStore::builder(&database.url()).schema(name).build().await.unwrap_err();
        assert!(matches!(error, idem_postgres::PgError::Name), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_proxy_that_lends_connections_for_a_transaction() {
    let postgres = quick().start();
    // One connection for all: whoever prepares by name or in two messages meets the statements of the others.
    let bouncer = PgBouncer::builder(&postgres).config("default_pool_size = 1").start();
    let database = postgres.fresh_database();
    let url = bouncer.database(&database).url();
    let (one, other) = (connect(&url).await, connect(&url).await);
    assert!(format!("{one:?}").contains("prepared: false"), "{one:?}");
    let direct = connect(&database.url()).await;
    assert!(format!("{direct:?}").contains("prepared: true"), "{direct:?}");
    call(&one, &key("a"), b"charged").await;
    assert_replays(&other, &key("a"), b"charged").await;
    assert_replays(&direct, &key("a"), b"charged").await;
    of(one).handle(other).handle(direct).run().await.assert();
    #[cfg(feature = "sqlx")]
    {
        let on = |schema: &str| {
            let (url, schema) = (url.clone(), schema.to_owned());
            async move {
                let pool = sqlx::PgPool::connect(&url).await.unwrap();
                PgStore::with_sqlx(pool).schema(schema).build().await.unwrap()
            }
        };
        // Their statements differ in nothing but the schema.
        let stores = [on("idem").await, on("other").await];
        for n in 0..200 {
            let key = key(&format!("of both {n}"));
            tokio::join!(call(&stores[0], &key, b"idem"), call(&stores[1], &key, b"other"));
            tokio::join!(assert_replays(&stores[0], &key, b"idem"), assert_replays(&stores[1], &key, b"other"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_swallows_the_settings_is_one_all_the_same() {
    let postgres = Postgres::start();
    let bouncer =
        PgBouncer::builder(&postgres).config("ignore_startup_parameters = extra_float_digits, options").start();
    let store = connect(&bouncer.database(&postgres.fresh_database()).url()).await;
    assert!(format!("{store:?}").contains("prepared: false"), "{store:?}");
    call(&store, &key("a"), b"charged").await;
    assert_replays(&store, &key("a"), b"charged").await;
}
