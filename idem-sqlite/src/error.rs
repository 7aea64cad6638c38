//! The errors of the store.

use idem_core::{RecordError, StoreError};
use rusqlite::ErrorCode;

/// The error of SQLite or the operating system.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why the store cannot use a database, or why a verb failed.
///
/// It is the source of every [`StoreError`] of this crate. No message contains a key or a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteError {
    /// The store cannot open or create the file.
    #[error(
        "the database cannot be opened: look for its directory, and whether this process may read and write there"
    )]
    CannotOpen(#[source] Source),
    /// The operating system refuses access to the file.
    #[error(
        "access to the database is refused: give this process the right to read and write the file and its directory"
    )]
    PermissionDenied(#[source] Source),
    /// The store cannot write to the file, its directory or its file system.
    #[error("the database is read-only: make the file, its directory and its file system writable, and open it without mode=ro")]
    ReadOnly(#[source] Source),
    /// The disk is full, or the database has reached its `max_page_count`.
    #[error("the database is full: free some of the disk, or raise max_page_count; nothing was written")]
    Full(#[source] Source),
    /// Another connection held the lock for longer than the busy time-out.
    #[error("the database is busy: another connection has been writing for longer than the busy time-out")]
    Busy(#[source] Source),
    /// The file is not a SQLite database, or is encrypted.
    #[error("the file is no SQLite database: is the path right?")]
    NotADatabase(#[source] Source),
    /// The file is damaged.
    #[error("the database is damaged: see `PRAGMA integrity_check`, and restore it from a backup")]
    Damaged(#[source] Source),
    /// The record is larger than SQLite's limit, which is a billion bytes by default.
    #[error("the record is larger than SQLite takes: record less, or a reference to it")]
    TooLarge(#[source] Source),
    /// The database cannot have a write-ahead log: it is in memory, or on a file system without shared memory.
    #[error(
        "the database keeps its journal in mode {mode:?} and cannot have a write-ahead log: use a file on a local disk"
    )]
    NoWal {
        /// Its journal mode.
        mode: String,
    },
    /// A newer version of this crate created the tables.
    #[error("the tables of idem are of version {found} and this build knows version {known}: upgrade it; nothing was changed")]
    NewerSchema {
        /// The version of the tables.
        found: i64,
        /// The newest one that this build knows.
        known: i64,
    },
    /// The tables are missing, or other tables have their names.
    #[error("the tables idem_records and idem_schema are missing or not this crate's: open the store again, or rename yours")]
    Schema(#[source] Source),
    /// This build cannot read the record of the key. The store did not change it.
    #[error(transparent)]
    Unreadable(#[from] RecordError),
    /// The disk failed.
    #[error("the disk failed")]
    Io(#[source] Source),
    /// A thread could not be started, or has ended early.
    #[error("a thread of the store is not running")]
    NoThread(#[source] Option<Source>),
    /// Anything else.
    #[error("SQLite failed")]
    Other(#[source] Source),
}

impl SqliteError {
    /// Maps an error of SQLite. It is not `From`, because rusqlite is not part of the public API.
    pub(crate) fn of_sqlite(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::CannotOpen) => Self::CannotOpen(error.into()),
            Some(ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
                Self::PermissionDenied(error.into())
            }
            Some(ErrorCode::ReadOnly) => Self::ReadOnly(error.into()),
            Some(ErrorCode::DiskFull) => Self::Full(error.into()),
            // FileLockingProtocolFailed: too many connections took the log's locks at once, which passes.
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
                Self::Busy(error.into())
            }
            Some(ErrorCode::NotADatabase) => Self::NotADatabase(error.into()),
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged(error.into()),
            Some(ErrorCode::TooBig) => Self::TooLarge(error.into()),
            Some(ErrorCode::SystemIoFailure) => Self::Io(error.into()),
            // A missing table or column, another type, or a constraint that this crate did not create.
            Some(ErrorCode::Unknown | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) | None => {
                Self::Schema(error.into())
            }
            _ => Self::Other(error.into()),
        }
    }

    /// The error of a verb that was not applied.
    pub(crate) fn not_applied(self) -> StoreError {
        match self {
            Self::Unreadable(_) => StoreError::unreadable(self),
            Self::Busy(_) | Self::Io(_) | Self::NoThread(_) | Self::Other(_) => StoreError::not_applied(self),
            _ => StoreError::refused(self),
        }
    }

    /// The error of a verb whose COMMIT failed. If the disk failed in the last step, the log may contain the whole transaction.
    pub(crate) fn of_commit(self) -> StoreError {
        match self {
            Self::Io(_) | Self::Other(_) => StoreError::unknown(self),
            _ => self.not_applied(),
        }
    }

    pub(crate) const fn is_busy(&self) -> bool {
        matches!(self, Self::Busy(_))
    }
}
