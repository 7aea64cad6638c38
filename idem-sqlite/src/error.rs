//! What can be wrong with a database.

use idem_core::{RecordError, StoreError};
use rusqlite::ErrorCode;

/// What SQLite, or the operating system, said.
type Said = Box<dyn std::error::Error + Send + Sync>;

/// Why a database does not serve, or did not do what a verb asked of it.
///
/// It is the source of every [`StoreError`] of this crate. No message holds a key or a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteError {
    /// The file cannot be opened or made.
    #[error(
        "the database cannot be opened: look for its directory, and whether this process may read and write there"
    )]
    CannotOpen(#[source] Said),
    /// The operating system refuses access to the file.
    #[error(
        "access to the database is refused: give this process the right to read and write the file and its directory"
    )]
    PermissionDenied(#[source] Said),
    /// The file, its directory or its file system cannot be written to.
    #[error("the database is read-only: make the file, its directory and its file system writable, and open it without mode=ro")]
    ReadOnly(#[source] Said),
    /// There is no room on the disk, or the database has reached its `max_page_count`.
    #[error("the database is full: free some of the disk, or raise max_page_count; nothing was written")]
    Full(#[source] Said),
    /// Another connection had the database for longer than the busy time-out.
    #[error("the database is busy: another connection has been writing for longer than the busy time-out")]
    Busy(#[source] Said),
    /// The file is something else, or encrypted.
    #[error("the file is no SQLite database: is the path right?")]
    NotADatabase(#[source] Said),
    /// The file is damaged.
    #[error("the database is damaged: see `PRAGMA integrity_check`, and restore it from a backup")]
    Damaged(#[source] Said),
    /// The record is longer than SQLite's own limit, a billion bytes if nobody lowered it.
    #[error("the record is larger than SQLite takes: record less, or a reference to it")]
    TooLarge(#[source] Said),
    /// The database cannot have a write-ahead log, as one in memory, or on a file system without shared memory.
    #[error(
        "the database keeps its journal in mode {mode:?} and cannot have a write-ahead log: use a file on a local disk"
    )]
    NoWal {
        /// What it keeps instead.
        mode: String,
    },
    /// A newer version of this crate has been here.
    #[error("the tables of idem are of version {found} and this build knows version {known}: upgrade it; nothing was changed")]
    NewerSchema {
        /// The version of the tables.
        found: i64,
        /// The newest one that this build knows.
        known: i64,
    },
    /// The tables are missing, or others have their names.
    #[error("the tables idem_records and idem_schema are missing or not this crate's: open the store again, or rename yours")]
    Schema(#[source] Said),
    /// What is stored under the key is no record of this build. It was left as it is.
    #[error(transparent)]
    Unreadable(#[from] RecordError),
    /// The disk failed.
    #[error("the disk failed")]
    Io(#[source] Said),
    /// A thread could not be started, or has ended before its time.
    #[error("a thread of the store is not running")]
    NoThread(#[source] Option<Said>),
    /// Anything else.
    #[error("SQLite failed")]
    Other(#[source] Said),
}

impl SqliteError {
    /// What SQLite said. No `From`: which rusqlite it is, is nobody's concern but ours.
    pub(crate) fn said(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::CannotOpen) => Self::CannotOpen(error.into()),
            Some(ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
                Self::PermissionDenied(error.into())
            }
            Some(ErrorCode::ReadOnly) => Self::ReadOnly(error.into()),
            Some(ErrorCode::DiskFull) => Self::Full(error.into()),
            // The last one: the locks of the log were taken too often in a row, which passes.
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
                Self::Busy(error.into())
            }
            Some(ErrorCode::NotADatabase) => Self::NotADatabase(error.into()),
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged(error.into()),
            Some(ErrorCode::TooBig) => Self::TooLarge(error.into()),
            Some(ErrorCode::SystemIoFailure) => Self::Io(error.into()),
            // No such table or column, a type that is another; or a constraint of somebody else's.
            Some(ErrorCode::Unknown | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) | None => {
                Self::Schema(error.into())
            }
            _ => Self::Other(error.into()),
        }
    }

    /// As the answer to a verb that was certainly not applied.
    pub(crate) fn not_applied(self) -> StoreError {
        match self {
            Self::Unreadable(_) => StoreError::unreadable(self),
            Self::Busy(_) | Self::Io(_) | Self::NoThread(_) | Self::Other(_) => StoreError::not_applied(self),
            _ => StoreError::refused(self),
        }
    }

    /// As the answer to a verb whose COMMIT failed. The log may hold all of it when the disk fails on the last step.
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
