//! The statements. Each connection prepares a statement once.

use idem_core::{Completion, Key, Record, RecordError, State, Timestamp};
use rusqlite::types::ValueRef;
use rusqlite::{params, Connection, Error, Row, Statement};

use crate::error::SqliteError;

const GET: &str = "SELECT record FROM idem_records WHERE key = ?1";
const GLANCE: &str = "SELECT state, fence FROM idem_records WHERE key = ?1";
const PUT: &str = "INSERT INTO idem_records (key, record, operation, state, fence, expires_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key) DO UPDATE SET
    record = excluded.record, state = excluded.state, fence = excluded.fence, expires_at = excluded.expires_at";
const SCHEMA: &str = "SELECT version, fence_floor FROM idem_schema";
const RAISE: &str = "UPDATE idem_schema SET fence_floor = max(fence_floor, ?1)";
const OVER: &str = "SELECT EXISTS (SELECT 1 FROM idem_records WHERE expires_at <= ?1)";
const HIGHEST: &str = "SELECT max(fence) FROM
    (SELECT fence FROM idem_records WHERE expires_at <= ?1 ORDER BY expires_at, key LIMIT ?2)";
const SWEEP: &str = "DELETE FROM idem_records WHERE key IN
    (SELECT key FROM idem_records WHERE expires_at <= ?1 ORDER BY expires_at, key LIMIT ?2)";
const PAGE: &str = "SELECT key, record, expires_at FROM idem_records WHERE key >= ?1 ORDER BY key LIMIT ?2";
const DATA_VERSION: &str = "PRAGMA data_version";

/// A connection and its statements.
#[derive(Debug)]
pub(crate) struct Rows<'c> {
    connection: &'c Connection,
    prepared: Vec<(&'static str, Statement<'c>)>,
}

/// A row as `list` reads it.
pub(crate) struct Listing {
    /// The key's bytes, and the key if they are valid.
    pub(crate) name: Vec<u8>,
    pub(crate) key: Option<Key>,
    pub(crate) record: Result<Record, RecordError>,
    pub(crate) bytes: usize,
    pub(crate) expires_at: i64,
}

/// The state and the fence of a record, which the hints compare without parsing the record. A renewal changes neither.
pub(crate) type Glance = (String, i64);

impl<'c> Rows<'c> {
    pub(crate) const fn new(connection: &'c Connection) -> Self {
        Self { connection, prepared: Vec::new() }
    }

    pub(crate) const fn connection(&self) -> &'c Connection {
        self.connection
    }

    fn prepared(&mut self, sql: &'static str) -> Result<&mut Statement<'c>, SqliteError> {
        let place = match self.prepared.iter().position(|(known, _)| std::ptr::eq(*known, sql)) {
            Some(place) => place,
            None => {
                self.prepared.push((sql, self.connection.prepare(sql).map_err(SqliteError::of_sqlite)?));
                self.prepared.len() - 1
            }
        };
        let statement = self.prepared.get_mut(place).map(|(_, statement)| statement);
        statement.ok_or_else(|| SqliteError::of_sqlite(Error::InvalidQuery))
    }

    /// The record as stored, even if it is expired.
    pub(crate) fn get(&mut self, key: &Key) -> Result<Option<Record>, SqliteError> {
        let found =
            self.prepared(GET)?.query_row([key.as_bytes()], |row| record(row, 0, Some(key)).map(|(record, _)| record));
        Ok(optional(found)?.transpose()?)
    }

    pub(crate) fn glance(&mut self, key: &Key) -> Result<Option<Glance>, SqliteError> {
        let columns = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        optional(self.prepared(GLANCE)?.query_row([key.as_bytes()], columns))
    }

    /// Writes a record; returns its size in bytes.
    pub(crate) fn put(&mut self, key: &Key, record: &Record) -> Result<usize, SqliteError> {
        let bytes = record.to_bytes(key);
        let (fence, expires_at) = (signed(record.fence), signed(record.expires_at.as_micros()));
        let row = params![key.as_bytes(), bytes, key.operation(), state(record), fence, expires_at];
        self.prepared(PUT)?.execute(row).map_err(SqliteError::of_sqlite)?;
        Ok(bytes.len())
    }

    /// The version of the tables, and the highest fence of all deleted records.
    pub(crate) fn schema(&mut self) -> Result<(i64, u64), SqliteError> {
        let (version, floor): (i64, i64) = self
            .prepared(SCHEMA)?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(SqliteError::of_sqlite)?;
        Ok((version, u64::try_from(floor).unwrap_or_default()))
    }

    /// Whether there is an expired record.
    pub(crate) fn any_expired(&mut self, now: Timestamp) -> Result<bool, SqliteError> {
        self.prepared(OVER)?.query_row([signed(now.as_micros())], |row| row.get(0)).map_err(SqliteError::of_sqlite)
    }

    /// Deletes expired records and stores the highest of their fences; returns how many it deleted.
    pub(crate) fn sweep(&mut self, now: Timestamp, limit: usize) -> Result<usize, SqliteError> {
        let range = [signed(now.as_micros()), i64::try_from(limit).unwrap_or(i64::MAX)];
        let highest: Option<i64> =
            self.prepared(HIGHEST)?.query_row(range, |row| row.get(0)).map_err(SqliteError::of_sqlite)?;
        let Some(highest) = highest else {
            return Ok(0);
        };
        self.prepared(RAISE)?.execute([highest]).map_err(SqliteError::of_sqlite)?;
        self.prepared(SWEEP)?.execute(range).map_err(SqliteError::of_sqlite)
    }

    /// Passes the rows from `from` on to `more`, in order, until `more` returns false or `limit` is reached.
    pub(crate) fn page(
        &mut self,
        from: &[u8],
        limit: usize,
        mut more: impl FnMut(Listing) -> bool,
    ) -> Result<(), SqliteError> {
        let range = params![from, i64::try_from(limit).unwrap_or(i64::MAX)];
        let mut rows = self.prepared(PAGE)?.query(range).map_err(SqliteError::of_sqlite)?;
        while let Some(row) = rows.next().map_err(SqliteError::of_sqlite)? {
            if !more(listing(row).map_err(SqliteError::of_sqlite)?) {
                break;
            }
        }
        Ok(())
    }

    /// A number that changes with every COMMIT of another connection.
    pub(crate) fn data_version(&mut self) -> Result<i64, SqliteError> {
        self.prepared(DATA_VERSION)?.query_row([], |row| row.get(0)).map_err(SqliteError::of_sqlite)
    }
}

/// The record in a column and its size. Without a valid key the record counts as damaged.
fn record(row: &Row<'_>, column: usize, key: Option<&Key>) -> Result<(Result<Record, RecordError>, usize), Error> {
    let bytes = blob(row, column)?;
    Ok((key.map_or(Err(RecordError::Damaged), |key| Record::from_bytes(bytes, key)), bytes.len()))
}

fn listing(row: &Row<'_>) -> Result<Listing, Error> {
    let key = Key::from_bytes(blob(row, 0)?);
    let (record, bytes) = record(row, 1, key.as_ref())?;
    Ok(Listing { name: blob(row, 0)?.to_vec(), key, record, bytes, expires_at: row.get(2)? })
}

/// The bytes of a column; none if another program stored another type there.
fn blob<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8], Error> {
    Ok(match row.get_ref(column)? {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => bytes,
        _ => &[],
    })
}

fn optional<T>(found: Result<T, Error>) -> Result<Option<T>, SqliteError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::QueryReturnedNoRows) => Ok(None),
        Err(error) => Err(SqliteError::of_sqlite(error)),
    }
}

/// Converts to SQLite's signed integer. Stored numbers stay below its limit: microseconds since 1970 stay below 2^53 for the
/// next two hundred years.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The name of the record's state, which operators read in a shell.
fn state(record: &Record) -> &'static str {
    match &record.state {
        State::Running { .. } => RUNNING,
        State::Completed(Completion::Result(_)) => "completed",
        State::Completed(_) => "unreplayable",
        State::Failed if record.is_blank() => "blank",
        State::Failed => "failed",
        State::Unknown => "unknown",
        _ => "other",
    }
}

/// The state of a record whose owner runs the body.
pub(crate) const RUNNING: &str = "running";
