//! The tables and their version.

use rusqlite::{Connection, Error};

use crate::error::SqliteError;

/// The version that this build creates and knows.
pub(crate) const VERSION: i64 = 1;

/// The store does not use `user_version`: the database may belong to the service.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS idem_schema (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    fence_floor INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS idem_records (
    key BLOB NOT NULL PRIMARY KEY,
    record BLOB NOT NULL,
    operation TEXT NOT NULL,
    state TEXT NOT NULL,
    fence INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS idem_records_expires_at ON idem_records (expires_at);
INSERT INTO idem_schema (id, version, fence_floor) SELECT 1, 1, 0 WHERE NOT EXISTS (SELECT 1 FROM idem_schema);
";

/// Creates missing tables. Several processes may do so at once.
pub(crate) fn ensure(connection: &Connection) -> Result<(), SqliteError> {
    if version(connection)? == Some(VERSION) && exists(connection, "idem_records")? {
        return writable(connection);
    }
    connection.execute_batch("BEGIN IMMEDIATE").map_err(SqliteError::of_sqlite)?;
    // Check again under the lock: another process may have created them.
    let made = version(connection).and_then(|found| match found {
        Some(found) if found > VERSION => Err(SqliteError::NewerSchema { found, known: VERSION }),
        _ => connection.execute_batch(TABLES).map_err(SqliteError::of_sqlite),
    });
    let end = made.and_then(|()| connection.execute_batch("COMMIT").map_err(SqliteError::of_sqlite));
    roll_back(connection);
    end
}

/// Fails if the database cannot be written. BEGIN IMMEDIATE is not enough: on a read-only database it succeeds.
fn writable(connection: &Connection) -> Result<(), SqliteError> {
    let tried = connection.execute_batch("BEGIN IMMEDIATE; UPDATE idem_schema SET version = version WHERE 0; ROLLBACK");
    roll_back(connection);
    match tried.map_err(SqliteError::of_sqlite) {
        // Another connection is writing, so the database is writable.
        Err(error) if error.is_busy() => Ok(()),
        tried => tried,
    }
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        // The caller gets the error that came first.
        let _ = connection.execute_batch("ROLLBACK");
    }
}

/// The version of the tables; `None` if they do not exist yet.
fn version(connection: &Connection) -> Result<Option<i64>, SqliteError> {
    if !exists(connection, "idem_schema")? {
        return Ok(None);
    }
    match connection.query_row("SELECT version FROM idem_schema", [], |row| row.get(0)) {
        Ok(version) => Ok(Some(version)),
        Err(Error::QueryReturnedNoRows) => Ok(None),
        Err(error) => Err(SqliteError::of_sqlite(error)),
    }
}

fn exists(connection: &Connection, table: &str) -> Result<bool, SqliteError> {
    let named = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1)";
    connection.query_row(named, [table], |row| row.get(0)).map_err(SqliteError::of_sqlite)
}
