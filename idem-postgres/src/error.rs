//! What can go wrong between this store and its server.

use idem_core::{RecordError, StoreError};

/// Why the server did not do what it was asked to. Neither keys nor passwords are in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PgError {
    /// No connection: wrong address, not started, or still starting.
    #[error("no connection to PostgreSQL: {0}")]
    Connect(#[source] Source),
    /// The URL is invalid.
    #[error("not a PostgreSQL URL: {0}")]
    Url(#[source] Source),
    /// TLS failed.
    #[error("no secure connection to PostgreSQL ({0}): check the server's certificate and its authority, or that it speaks TLS")]
    Tls(#[source] Source),
    /// The server does not let this user in.
    #[error("PostgreSQL refuses the login ({0}): check user, password and database")]
    Login(String),
    /// The database user lacks a permission.
    #[error(
        "the user lacks a permission ({0}): grant USAGE on the schema and SELECT, INSERT, UPDATE, DELETE on its tables"
    )]
    Permission(String),
    /// The tables are missing, or do not have the expected columns.
    #[error(
        "the tables are missing or not as they should be ({0}): let the builder `migrate`, or run what `PgStore::schema` says"
    )]
    Schema(String),
    /// The schema's name is invalid.
    #[error("a schema's name has 1 to 63 bytes, none of them zero")]
    Name,
    /// A newer build created the tables.
    #[error("the tables are of version {found}, this build knows {known}: update this build")]
    NewerSchema {
        /// The version that was found.
        found: i32,
        /// The newest one that this build knows.
        known: i32,
    },
    /// The server takes no writes: a standby, or set so.
    #[error("the server is read-only ({0}): connect to the primary")]
    ReadOnly(String),
    /// The server's disk or memory is full.
    #[error("the server is out of room ({0})")]
    Full(String),
    /// The session's transactions are stricter than READ COMMITTED, in which a lost race would be an error.
    #[error(
        "the session's isolation level is {0}: `ALTER ROLE … SET default_transaction_isolation = 'read committed'`"
    )]
    Isolation(String),
    /// The value is over a limit of the server's.
    #[error("the value is over a limit of the server's ({0})")]
    TooLarge(String),
    /// The verb was called outside of a tokio runtime, which the store's connections need.
    #[error("PgStore needs a tokio runtime: call it inside of one")]
    NoRuntime,
    /// The server did not run the statement and may run it later: it is too busy, shuts down, or another transaction conflicted.
    #[error("PostgreSQL did not do it: {0}")]
    NotNow(String),
    /// The connection was lost, and its answer with it.
    #[error("the connection was lost: {0}")]
    Lost(#[source] Source),
    /// This build cannot read the record in the table.
    #[error(transparent)]
    Record(RecordError),
    /// Something else.
    #[error("PostgreSQL: {0}")]
    Other(String),
}

type Source = Box<dyn std::error::Error + Send + Sync>;

impl PgError {
    /// Maps a server's error code. The text contains the server's message but not its details, which may quote values.
    pub(crate) fn of_server(code: &str, message: &str) -> Self {
        let text = format!("{message}, {code}");
        match code {
            "28000" | "28P01" | "3D000" => Self::Login(text),
            "42501" => Self::Permission(text),
            "3F000" | "42P01" | "42703" | "42704" | "42804" | "42883" => Self::Schema(text),
            "25006" => Self::ReadOnly(text),
            "53100" | "53200" => Self::Full(text),
            // The server starts, stops or is busy. It undoes an interrupted statement as a whole.
            "53300" | "57P03" | "57014" | "40001" | "40P01" | "55P03" | "53400" | "55006" => Self::NotNow(text),
            // The statement may have run when the server was told to stop.
            "57P01" | "57P02" | "57P05" | "08000" | "08001" | "08003" | "08004" | "08006" | "08P01" => {
                Self::Lost(text.into())
            }
            "54000" | "22001" => Self::TooLarge(text),
            _ => Self::Other(text),
        }
    }
}

impl From<PgError> for StoreError {
    fn from(error: PgError) -> Self {
        match error {
            PgError::Connect(_) | PgError::NotNow(_) => Self::not_applied(error),
            PgError::Lost(_) => Self::unknown(error),
            PgError::Record(_) => Self::unreadable(error),
            _ => Self::refused(error),
        }
    }
}
