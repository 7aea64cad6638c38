//! Opens connections and sets their pragmas.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::error::SqliteError;

/// The pause before the next attempt, where SQLite's own busy time-out does not apply.
const RETRY_PAUSE: Duration = Duration::from_millis(3);

/// Opens a connection that writes. It switches the database to a write-ahead log; a COMMIT returns when its data is on the disk.
pub(crate) fn writing(path: &Path, busy_timeout: Duration) -> Result<Connection, SqliteError> {
    let connection = open(path, busy_timeout)?;
    let mode: String = unless_busy(busy_timeout, || {
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(SqliteError::of_sqlite)
    })?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(SqliteError::NoWal { mode });
    }
    // The last two are for macOS, whose plain fsync leaves the data in the disk's cache.
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON")
        .map_err(SqliteError::of_sqlite)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(crate) fn reading(path: &Path, busy_timeout: Duration) -> Result<Connection, SqliteError> {
    let connection = open(path, busy_timeout)?;
    connection.execute_batch("PRAGMA query_only = ON").map_err(SqliteError::of_sqlite)?;
    Ok(connection)
}

fn open(path: &Path, busy_timeout: Duration) -> Result<Connection, SqliteError> {
    let connection = Connection::open(path).map_err(|error| match error.sqlite_error_code() {
        // rusqlite refused the path, which contains a zero byte.
        None => SqliteError::CannotOpen(error.into()),
        Some(_) => SqliteError::of_sqlite(error),
    })?;
    // SQLite counts milliseconds in an i32.
    connection.busy_timeout(busy_timeout.min(Duration::from_secs(24 * 60 * 60))).map_err(SqliteError::of_sqlite)?;
    Ok(connection)
}

/// Repeats `attempt` while the database is busy. SQLite does not wait for the lock when it switches to the log, or when several
/// connections open a new database at once.
pub(crate) fn unless_busy<T>(
    busy_timeout: Duration,
    mut attempt: impl FnMut() -> Result<T, SqliteError>,
) -> Result<T, SqliteError> {
    let began = Instant::now();
    loop {
        match attempt() {
            Err(error) if error.is_busy() && began.elapsed() < busy_timeout => thread::sleep(RETRY_PAUSE),
            done => return done,
        }
    }
}
