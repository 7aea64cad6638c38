//! The tables, and their version.

use rusqlite::{Connection, Error};

use crate::error::SqliteError;

/// The version of the tables that this build makes and knows.
pub(crate) const VERSION: i64 = 1;

/// `user_version` is left to the service whose database this may be.
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

/// Makes the tables where they are missing. Any number of processes may do so at once.
pub(crate) fn ensure(connection: &Connection) -> Result<(), SqliteError> {
    if version(connection)? == Some(VERSION) && there(connection, "idem_records")? {
        return writable(connection);
    }
    connection.execute_batch("BEGIN IMMEDIATE").map_err(SqliteError::said)?;
    // Again, under the lock: another one may have been faster.
    let made = version(connection).and_then(|found| match found {
        Some(found) if found > VERSION => Err(SqliteError::NewerSchema { found, known: VERSION }),
        _ => connection.execute_batch(TABLES).map_err(SqliteError::said),
    });
    let end = made.and_then(|()| connection.execute_batch("COMMIT").map_err(SqliteError::said));
    roll_back(connection);
    end
}

/// Says so now when nothing could ever be written. To begin is not enough: a read-only database begins to read.
fn writable(connection: &Connection) -> Result<(), SqliteError> {
    let tried = connection.execute_batch("BEGIN IMMEDIATE; UPDATE idem_schema SET version = version WHERE 0; ROLLBACK");
    roll_back(connection);
    match tried.map_err(SqliteError::said) {
        // Whoever writes there right now can.
        Err(error) if error.is_busy() => Ok(()),
        tried => tried,
    }
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        // What failed before is what there is to tell.
        let _ = connection.execute_batch("ROLLBACK");
    }
}

/// The version of the tables; `None` where there are none yet.
fn version(connection: &Connection) -> Result<Option<i64>, SqliteError> {
    if !there(connection, "idem_schema")? {
        return Ok(None);
    }
    match connection.query_row("SELECT version FROM idem_schema", [], |row| row.get(0)) {
        Ok(version) => Ok(Some(version)),
        Err(Error::QueryReturnedNoRows) => Ok(None),
        Err(error) => Err(SqliteError::said(error)),
    }
}

fn there(connection: &Connection, table: &str) -> Result<bool, SqliteError> {
    let named = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1)";
    connection.query_row(named, [table], |row| row.get(0)).map_err(SqliteError::said)
}
