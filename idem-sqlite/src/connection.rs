//! Connections, and what is set on each.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::error::SqliteError;

/// How long to wait before another try at what SQLite does not wait for itself.
const PAUSE: Duration = Duration::from_millis(3);

/// A connection that writes: the database has a write-ahead log from now on, and a COMMIT is on the disk when it returns.
pub(crate) fn writing(path: &Path, busy_timeout: Duration) -> Result<Connection, SqliteError> {
    let connection = open(path, busy_timeout)?;
    let mode: String = unless_busy(busy_timeout, || {
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(SqliteError::said)
    })?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(SqliteError::NoWal { mode });
    }
    // The last two are for macOS, whose plain fsync leaves the data in the disk's own memory.
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON")
        .map_err(SqliteError::said)?;
    Ok(connection)
}

/// A connection that only reads.
pub(crate) fn reading(path: &Path, busy_timeout: Duration) -> Result<Connection, SqliteError> {
    let connection = open(path, busy_timeout)?;
    connection.execute_batch("PRAGMA query_only = ON").map_err(SqliteError::said)?;
    Ok(connection)
}

fn open(path: &Path, busy_timeout: Duration) -> Result<Connection, SqliteError> {
    let connection = Connection::open(path).map_err(|error| match error.sqlite_error_code() {
        // It was not even tried: no path may have a zero in it.
        None => SqliteError::CannotOpen(error.into()),
        Some(_) => SqliteError::said(error),
    })?;
    // SQLite counts milliseconds in an i32.
    connection.busy_timeout(busy_timeout.min(Duration::from_secs(24 * 60 * 60))).map_err(SqliteError::said)?;
    Ok(connection)
}

/// Tries again for as long as the database is busy: turning the log on, and being among the first to open it, fail at once.
pub(crate) fn unless_busy<T>(
    busy_timeout: Duration,
    mut attempt: impl FnMut() -> Result<T, SqliteError>,
) -> Result<T, SqliteError> {
    let began = Instant::now();
    loop {
        match attempt() {
            Err(error) if error.is_busy() && began.elapsed() < busy_timeout => thread::sleep(PAUSE),
            done => return done,
        }
    }
}
