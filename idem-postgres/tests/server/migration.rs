//! Making the tables.

use idem_postgres::{PgError, PgStore};

use crate::support::{assert_replays, call, connect, fresh_database, key, of_role};

#[tokio::test(flavor = "multi_thread")]
async fn ten_start_at_once_on_an_empty_database() {
    for _ in 0..5 {
        let database = fresh_database();
        let starts = (0..10).map(|_| {
            let url = database.url();
            tokio::spawn(async move { PgStore::connect(&url).await })
        });
        let mut stores = Vec::new();
        for start in starts.collect::<Vec<_>>() {
            stores.push(start.await.unwrap().expect("each one starts"));
        }
        let tables = "SELECT count(*) FROM pg_class WHERE relname IN ('records', 'version', 'calls', 'records_sweep')";
        assert_eq!(database.psql(tables), "4");
        assert_eq!(database.psql("SELECT version FROM idem.version"), "1");
        call(&stores[0], &key("a"), b"charged").await;
        for store in &stores {
            assert_replays(store, &key("a"), b"charged").await;
        }
        let rolling = PgStore::builder(&database.url()).migrate(false).build().await.unwrap();
        assert_replays(&rolling, &key("a"), b"charged").await;
    }
}

#[tokio::test]
async fn by_hand_and_then_by_whoever_may_only_use_them() {
    let database = fresh_database();
    let missing = PgStore::builder(&database.url()).migrate(false).build().await.unwrap_err();
    assert!(matches!(missing, PgError::Schema(_)), "{missing}");
    assert!(missing.to_string().contains("PgStore::schema"), "{missing}");
    database.psql(&PgStore::schema("idem"));
    let role = format!("user_of_{}", database.name());
    database.psql(&format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA idem TO {role}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA idem TO {role}"
    ));
    let url = of_role(&database.url(), &role);
    let store = connect(&url).await;
    call(&store, &key("a"), b"charged").await;
    database.psql(&PgStore::schema("idem"));
    assert_replays(&store, &key("a"), b"charged").await;
}

/// Its owner need not be allowed to make another.
#[tokio::test]
async fn in_a_schema_that_was_given_to_them() {
    let database = fresh_database();
    let role = format!("owner_in_{}", database.name());
    database.psql(&format!("CREATE ROLE {role} LOGIN; CREATE SCHEMA idem AUTHORIZATION {role}"));
    let store = connect(&of_role(&database.url(), &role)).await;
    call(&store, &key("a"), b"charged").await;
    assert_replays(&store, &key("a"), b"charged").await;
}

#[tokio::test]
async fn a_newer_builds_tables_are_let_alone() {
    let database = fresh_database();
    drop(connect(&database.url()).await);
    database.psql("UPDATE idem.version SET version = 2");
    for migrate in [true, false] {
        let error = PgStore::builder(&database.url()).migrate(migrate).build().await.unwrap_err();
        assert!(matches!(error, PgError::NewerSchema { found: 2, known: 1 }), "{error}");
    }
    assert_eq!(database.psql("SELECT version FROM idem.version"), "2");
}
