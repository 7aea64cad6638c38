//! Each thing that can be wrong with a database, by its name.

use std::error::Error;
use std::time::Duration;

use idem_core::{Applied, Ending, Finish, Owner, RecordError, Store, StoreError};
use idem_sqlite::{SqliteError, SqliteStore};

use crate::support::{call, claim, completed, granted, key, result, Dir};

/// What the store said is its own error.
pub(crate) fn source(error: &StoreError) -> &SqliteError {
    error.source().and_then(|source| source.downcast_ref()).expect("an error of this crate")
}

/// Certainly not applied, and asking again does not help.
fn refused(error: &StoreError) -> &SqliteError {
    assert_eq!(
        (error.applied(), error.is_retryable(), error.is_unreadable()),
        (Applied::No, false, false),
        "{error:?}"
    );
    source(error)
}

#[tokio::test]
async fn a_path_that_leads_nowhere() {
    let dir = Dir::new();
    for path in [dir.path().join("none/idem.db"), dir.path().to_owned(), "a\0b".into()] {
        let error = SqliteStore::open(path).await.unwrap_err();
        assert!(matches!(error, SqliteError::CannotOpen(_)), "{error:?}");
        assert!(error.to_string().contains("directory"), "it says what to do: {error}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database() {
    let dir = Dir::new();
    let text = "Dear diary, ".repeat(1000);
    std::fs::write(dir.file(), &text).unwrap();
    let error = SqliteStore::open(dir.file()).await.unwrap_err();
    assert!(matches!(error, SqliteError::NotADatabase(_)), "{error:?}");
    assert_eq!(std::fs::read_to_string(dir.file()).unwrap(), text, "as it was");
}

#[tokio::test]
async fn a_database_in_memory() {
    for path in [":memory:", "file::memory:?cache=shared", ""] {
        let error = SqliteStore::open(path).await.unwrap_err();
        assert!(matches!(error, SqliteError::NoWal { .. }), "{path}: {error:?}");
    }
}

#[tokio::test]
async fn a_read_only_database() {
    let dir = Dir::new();
    let path = format!("file:{}?mode=ro", dir.file().display());
    assert!(
        matches!(SqliteStore::open(&path).await, Err(SqliteError::CannotOpen(_))),
        "there is none, and none is made"
    );
    assert!(!dir.file().exists());
    dir.sql().execute_batch("CREATE TABLE theirs (a)").unwrap();
    assert!(matches!(SqliteStore::open(&path).await, Err(SqliteError::ReadOnly(_) | SqliteError::NoWal { .. })));
    call(&dir.store().await, &key("k"), b"done").await;
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(error, SqliteError::ReadOnly(_)), "{error:?}");
}

#[tokio::test]
async fn a_damaged_database() {
    let dir = Dir::new();
    let store = dir.store().await;
    for n in 0..200 {
        call(&store, &key(n), b"done").await;
    }
    drop(store);
    let sql = dir.sql();
    sql.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let pages: u32 = sql.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    drop(sql);
    // All but the first two pages: the tables are known, and what is in them is noise.
    let mut bytes = std::fs::read(dir.file()).unwrap();
    let page = bytes.len() / pages as usize;
    bytes[2 * page..].fill(0xa5);
    std::fs::write(dir.file(), bytes).unwrap();
    let store = dir.store().await;
    let error = store.claim(&key(7), &claim()).await.unwrap_err();
    assert!(matches!(refused(&error), SqliteError::Damaged(_)), "{error:?}");
}

#[tokio::test]
async fn tables_of_a_newer_version() {
    let dir = Dir::new();
    let store = dir.store().await;
    call(&store, &key("k"), b"done").await;
    dir.sql().execute_batch("UPDATE idem_schema SET version = 2").unwrap();
    // Under a store that is open, as in a rolling deploy.
    let error = store.claim(&key("new"), &claim()).await.unwrap_err();
    assert!(matches!(refused(&error), SqliteError::NewerSchema { found: 2, known: 1, .. }), "{error:?}");
    assert_eq!(result(&store, &key("k")).await.as_deref(), Some(&b"done"[..]), "what can be read is");
    drop(store);
    let everything = || -> Vec<String> {
        let (sql, mut rows) = (dir.sql(), Vec::new());
        for table in ["sqlite_master", "idem_schema", "idem_records"] {
            let mut all = sql.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = all.column_count();
            let row = |row: &rusqlite::Row<'_>| {
                (0..columns).map(|n| row.get_ref(n).map(|value| format!("{value:?}"))).collect()
            };
            rows.extend(all.query_map([], row).unwrap().map(|row| row.map(|row: Vec<String>| row.join(","))));
        }
        rows.into_iter().map(Result::unwrap).collect()
    };
    let before = everything();
    let error = SqliteStore::open(dir.file()).await.unwrap_err();
    assert!(matches!(error, SqliteError::NewerSchema { found: 2, known: 1, .. }), "{error:?}");
    assert!(error.to_string().contains("upgrade"), "{error}");
    assert_eq!(everything(), before, "nothing was changed");
}

#[tokio::test]
async fn tables_that_are_somebody_elses_or_gone() {
    let dir = Dir::new();
    dir.sql().execute_batch("CREATE TABLE idem_schema (theirs TEXT)").unwrap();
    let error = SqliteStore::open(dir.file()).await.unwrap_err();
    assert!(matches!(error, SqliteError::Schema(_)), "{error:?}");
    dir.sql().execute_batch("DROP TABLE idem_schema").unwrap();
    let store = dir.store().await;
    dir.sql().execute_batch("DROP TABLE idem_records").unwrap();
    let error = store.claim(&key("k"), &claim()).await.unwrap_err();
    assert!(matches!(refused(&error), SqliteError::Schema(_)), "{error:?}");
    // Opening it makes them, and the store that was open goes on.
    call(&dir.store().await, &key("k"), b"done").await;
    assert_eq!(result(&store, &key("k")).await.as_deref(), Some(&b"done"[..]));
}

#[tokio::test]
async fn a_record_that_is_none() {
    let dir = Dir::new();
    let store = dir.store().await;
    let owner = claim();
    granted(&store, &key("k"), &owner).await;
    let row =
        || -> String { dir.sql().query_row("SELECT quote(record) FROM idem_records", [], |row| row.get(0)).unwrap() };
    for (record, why) in [
        ("'text'", RecordError::Version(Some(b't'))),
        ("42", RecordError::Version(None)),
        ("x''", RecordError::Version(None)),
        ("x'03aabb'", RecordError::Version(Some(3))),
        ("x'02aabb'", RecordError::Version(Some(2))),
        ("x'01aabb'", RecordError::Damaged),
        ("x'0101'", RecordError::Damaged),
    ] {
        dir.sql().execute_batch(&format!("UPDATE idem_records SET record = {record}")).unwrap();
        let before = row();
        let key = key("k");
        let answers = [
            store.claim(&key, &claim()).await.unwrap_err(),
            store.renew(&key, owner.owner).await.unwrap_err(),
            store.finish(&key, &Finish::new(owner.owner, completed(b"done"))).await.unwrap_err(),
            store.finish(&key, &Finish::new(Owner::random(), Ending::Failed)).await.unwrap_err(),
            store.load(&key).await.unwrap_err(),
        ];
        for error in answers {
            assert!(error.is_unreadable(), "{record}: {error:?}");
            assert!(matches!(source(&error), SqliteError::Unreadable(found) if *found == why), "{record}: {error:?}");
        }
        let page = store.list(&idem_core::List::new(key.scope())).await.unwrap();
        assert_eq!(page.records[0].record, Err(why), "{record}");
        assert_eq!(row(), before, "left as it is");
        call(&store, &crate::support::key(record), b"done").await;
        dir.sql().execute("DELETE FROM idem_records WHERE key <> ?1", [key.as_bytes()]).unwrap();
    }
}

#[tokio::test]
async fn a_database_that_another_connection_keeps() {
    let dir = Dir::new();
    let store = SqliteStore::builder(dir.file()).busy_timeout(Duration::from_millis(50)).open().await.unwrap();
    call(&store, &key("done"), b"done").await;
    let other = dir.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.claim(&key("k"), &claim()).await.unwrap_err();
    assert_eq!((error.applied(), error.is_retryable()), (Applied::No, true));
    assert!(matches!(source(&error), SqliteError::Busy(_)), "{error:?}");
    assert_eq!(result(&store, &key("done")).await.as_deref(), Some(&b"done"[..]), "what is done is replayed meanwhile");
    let second = SqliteStore::builder(dir.file()).busy_timeout(Duration::from_millis(50)).open().await;
    assert!(second.is_ok(), "and it can be opened: {second:?}");
    other.execute_batch("ROLLBACK").unwrap();
    call(&store, &key("k"), b"then").await;
}

#[tokio::test]
async fn a_record_larger_than_sqlite_takes() {
    let dir = Dir::new();
    let store = dir.store().await;
    let claim = claim();
    granted(&store, &key("k"), &claim).await;
    let error =
        store.finish(&key("k"), &Finish::new(claim.owner, completed(&vec![0; 1_000_000_000]))).await.unwrap_err();
    assert!(matches!(refused(&error), SqliteError::TooLarge(_)), "{error:?}");
    assert_eq!(
        store.finish(&key("k"), &Finish::new(claim.owner, completed(b"small"))).await.unwrap(),
        idem_core::Ownership::Held
    );
}
