//! Each error against a server that really is so. A message names what to do, and no password.

use idem_core::{Finish, Store, StoreError};
use idem_postgres::{PgError, PgStore};
use idem_test_servers::Postgres;

use crate::support::{
    assert_not_applied, assert_refused, assert_replays, call, claim, connect, done, fresh_database, key, of_postgres,
    of_role, own, soon,
};

async fn fails(url: &str) -> PgError {
    soon(PgStore::connect(url)).await.expect_err("it fails")
}

fn says(error: &PgError, what: &str) {
    let (said, shown) = (error.to_string(), format!("{error:?}"));
    assert!(said.contains(what), "{said}");
    assert!(!said.contains("s3cret") && !shown.contains("s3cret"), "{said} {shown}");
}

#[tokio::test]
async fn wrong_addresses_and_urls() {
    let error = fails("postgres://postgres:s3cret@127.0.0.1:1/postgres").await;
    assert!(matches!(error, PgError::Connect(_)), "{error}");
    says(&error, "no connection to PostgreSQL");
    assert_not_applied(&StoreError::from(error));
    let error = fails("postgres://postgres:s3cret@no-such-host.invalid/postgres").await;
    assert!(matches!(error, PgError::Connect(_)), "{error}");
    says(&error, "no connection");
    for url in ["postgres://postgres:s3cret@127.0.0.1:port/x", "mysql:s3cret", "postgres://u:s3cret@h/d?sslmode=s3cret"]
    {
        let error = fails(url).await;
        assert!(matches!(error, PgError::Url(_)), "{error}");
        says(&error, "not a PostgreSQL URL");
        assert_refused(&error.into());
    }
    let builder = PgStore::builder("postgres://postgres:s3cret@127.0.0.1:1/postgres");
    assert!(!format!("{builder:?}").contains("s3cret"));
}

#[tokio::test]
async fn logins() {
    let postgres = Postgres::start();
    postgres.psql("CREATE ROLE app LOGIN PASSWORD 's3cret'; GRANT CREATE ON DATABASE postgres TO app");
    let hba = postgres.dir().join("data/pg_hba.conf");
    std::fs::write(hba, "host all app 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n").unwrap();
    postgres.psql("SELECT pg_reload_conf()");
    let url = |login: &str| postgres.url().replace("postgres@", &format!("{login}@"));
    // The server reads it when it gets round to it.
    crate::support::eventually("it asks for passwords", || {
        postgres.psql("SELECT count(*) FROM pg_hba_file_rules WHERE auth_method = 'scram-sha-256'") == "1"
            && std::process::Command::new(idem_test_servers::require("psql"))
                .args(["-wXc", "SELECT 1", &url("app")])
                .output()
                .is_ok_and(|output| !output.status.success())
    })
    .await;
    for login in ["app:wr0ng-s3cret", "app", "nobody"] {
        let error = fails(&url(login)).await;
        assert!(matches!(error, PgError::Login(_)), "{login}: {error:?}");
        says(&error, "check user, password and database");
        assert_refused(&error.into());
    }
    let error =
        fails(&postgres.url().replace("/postgres", "/no_such_database").replace("no_such_database@", "postgres@"))
            .await;
    assert!(matches!(error, PgError::Login(_)), "{error:?}");
    says(&error, "no_such_database");
    let store = connect(&url("app:s3cret")).await;
    call(&store, &key("a"), b"charged").await;
    let with_push = PgStore::builder(&url("app:s3cret")).push(true).build().await.unwrap();
    assert!(!format!("{store:?} {with_push:?}").contains("s3cret"));
    #[cfg(feature = "sqlx")]
    {
        let pool = sqlx::PgPool::connect(&url("app:s3cret")).await.unwrap();
        let store = PgStore::with_sqlx(pool).build().await.unwrap();
        assert!(!format!("{store:?}").contains("s3cret"), "{store:?}");
        let pool = sqlx::PgPool::connect_lazy(&url("app:wr0ng-s3cret")).unwrap();
        let error = PgStore::with_sqlx(pool).build().await.unwrap_err();
        assert!(matches!(error, PgError::Login(_)), "{error:?}");
    }
}

#[tokio::test]
async fn permissions() {
    let database = fresh_database();
    let role = format!("nobody_in_{}", database.name());
    database.psql(&format!("CREATE ROLE {role} LOGIN"));
    let url = of_role(&database.url(), &role);
    let error = fails(&url).await;
    assert!(matches!(error, PgError::Permission(_)), "may not make a schema: {error:?}");
    let store = connect(&database.url()).await;
    call(&store, &key("a"), b"charged").await;
    let error = soon(PgStore::builder(&url).migrate(false).build()).await.unwrap_err();
    assert!(matches!(error, PgError::Permission(_)), "{error:?}");
    says(&error, "grant USAGE");
    // Reading alone is not enough.
    database
        .psql(&format!("GRANT USAGE ON SCHEMA idem TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA idem TO {role}"));
    let reader = connect(&url).await;
    let error = reader.claim(&key("b"), &claim()).await.unwrap_err();
    assert_refused(&error);
    assert!(matches!(of_postgres(&error), PgError::Permission(_)), "{error:?}");
    assert!(store.load(&key("b")).await.unwrap().is_none());
}

#[tokio::test]
async fn tables_that_went_away() {
    let database = fresh_database();
    let store = connect(&database.url()).await;
    call(&store, &key("a"), b"charged").await;
    database.psql("ALTER TABLE idem.records RENAME COLUMN lease TO leash");
    let error = store.claim(&key("a"), &claim()).await.unwrap_err();
    assert_refused(&error);
    assert!(matches!(of_postgres(&error), PgError::Schema(_)), "{error:?}");
    database.psql("DROP SCHEMA idem CASCADE");
    let error = store.claim(&key("a"), &claim()).await.unwrap_err();
    assert_refused(&error);
    assert!(matches!(of_postgres(&error), PgError::Schema(_)), "{error:?}");
    says(of_postgres(&error), "migrate");
    // Mended under the same store.
    drop(connect(&database.url()).await);
    call(&store, &key("a"), b"again").await;
}

#[tokio::test]
async fn a_server_that_takes_no_writes() {
    let database = fresh_database();
    let role = format!("reader_in_{}", database.name());
    database
        .psql(&format!("CREATE ROLE {role} LOGIN SUPERUSER; ALTER ROLE {role} SET default_transaction_read_only = on"));
    let url = of_role(&database.url(), &role);
    let error = fails(&url).await;
    assert!(matches!(error, PgError::ReadOnly(_)), "{error:?}");
    says(&error, "primary");
    let writer = connect(&database.url()).await;
    call(&writer, &key("a"), b"charged").await;
    let reader = connect(&url).await;
    let error = reader.claim(&key("b"), &claim()).await.unwrap_err();
    assert_refused(&error);
    assert!(matches!(of_postgres(&error), PgError::ReadOnly(_)), "{error:?}");
}

#[tokio::test]
async fn transactions_that_are_too_strict() {
    let database = fresh_database();
    for level in ["serializable", "repeatable read"] {
        let role = format!("{}_in_{}", level.replace(' ', "_"), database.name());
        database.psql(&format!(
            "CREATE ROLE {role} LOGIN SUPERUSER; ALTER ROLE {role} SET default_transaction_isolation = '{level}'"
        ));
        let url = of_role(&database.url(), &role);
        // A session of this store's own is what it needs to be.
        let store = connect(&url).await;
        call(&store, &key(level), b"charged").await;
        let manager = deadpool_postgres::Manager::new(url.parse().unwrap(), tokio_postgres::NoTls);
        let pool = deadpool_postgres::Pool::builder(manager).build().unwrap();
        let error = PgStore::with_pool(pool).build().await.unwrap_err();
        assert!(matches!(&error, PgError::Isolation(found) if found == level), "{error:?}");
        says(&error, "ALTER ROLE");
        assert_refused(&error.into());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_it_takes() {
    let postgres =
        Postgres::builder().config("max_connections = 5").config("superuser_reserved_connections = 0").start();
    let store = connect(&postgres.url()).await;
    call(&store, &key("a"), b"charged").await;
    let others: Vec<_> = std::iter::from_fn(|| {
        let mut psql = std::process::Command::new(idem_test_servers::require("psql"));
        let psql = psql.args(["-XAtqc", "SELECT pg_sleep(60)", &postgres.url()]);
        Some(psql.stderr(std::process::Stdio::null()).spawn().unwrap())
    })
    .take(8)
    .collect();
    let refused = loop {
        match soon(PgStore::connect(&postgres.url())).await {
            Err(error) => break error,
            Ok(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    };
    assert!(matches!(refused, PgError::NotNow(_)), "{refused:?}");
    assert_not_applied(&refused.into());
    // The connection that the store has is good still.
    assert_replays(&store, &key("a"), b"charged").await;
    for mut psql in others {
        psql.kill().unwrap();
        psql.wait().unwrap();
    }
}

/// Results of any size that the core records, and the owner's ending is told so when there is no room for it.
#[tokio::test]
async fn large_results_and_no_room_for_them() {
    let database = fresh_database();
    let store = connect(&database.url()).await;
    let large: Vec<u8> = (0..1_200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    call(&store, &key("large"), &large).await;
    assert_replays(&store, &key("large"), &large).await;
}

/// A file system of a few megabytes, until it is dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// `None` for whoever may not mount.
    fn mount(path: std::path::PathBuf) -> Option<Self> {
        std::fs::create_dir(&path).unwrap();
        let run = |program: &str, args: &[&str]| {
            let output = std::process::Command::new(program).args(args).arg(&path).output();
            output.is_ok_and(|output| output.status.success())
        };
        let mounted = run("mount", &["-t", "tmpfs", "-o", "size=4m,mode=777", "tmpfs"]);
        let disk = Self(path.clone());
        (mounted && run("chown", &["postgres"])).then_some(disk)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[tokio::test]
async fn a_disk_that_is_full() {
    let postgres = Postgres::start();
    let Some(disk) = SmallDisk::mount(postgres.dir().join("small")) else {
        println!("not tried: mounting a small file system needs root");
        return;
    };
    let store = connect(&postgres.url()).await;
    let owner = own(&store, &key("a")).await;
    postgres.main_database().try_psql(&format!("CREATE TABLESPACE small LOCATION '{}'", disk.0.display())).unwrap();
    postgres.psql("ALTER TABLE idem.records SET TABLESPACE small");
    // Nothing that compresses.
    let mut state = 1_u64;
    let noise = std::iter::from_fn(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Some((state >> 56) as u8)
    });
    let large: Vec<u8> = noise.take(1_000_000).collect();
    let mut error = None;
    for n in 0..10 {
        let (key, claim) = (key(&format!("fills {n}")), claim());
        let ended = match store.claim(&key, &claim).await {
            Ok(_) => store.finish(&key, &Finish::new(claim.owner, done(&large))).await.map(drop),
            Err(full) => Err(full),
        };
        if let Err(full) = ended {
            error = Some(full);
            break;
        }
    }
    let error = error.expect("it is full by now");
    assert_refused(&error);
    assert!(matches!(of_postgres(&error), PgError::Full(_)), "{error:?}");
    says(of_postgres(&error), "out of room");
    // What is there is read still, and ends once there is room.
    postgres.psql("ALTER TABLE idem.records SET TABLESPACE pg_default");
    assert_eq!(store.finish(&key("a"), &Finish::new(owner, done(&large))).await.unwrap(), idem_core::Ownership::Held);
    assert_replays(&store, &key("a"), &large).await;
    postgres.psql("DROP TABLESPACE small");
    drop(disk);
}
