//! What can go wrong between this store and its server.

use idem_core::{RecordError, StoreError};

/// Why the server did not do what it was asked to. Neither keys nor passwords are in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PgError {
    /// No connection: wrong address, not started, or still starting.
    #[error("no connection to PostgreSQL: {0}")]
    Connect(#[source] Source),
    /// The URL is none.
    #[error("not a PostgreSQL URL: {0}")]
    Url(#[source] Source),
    /// The connection cannot be secured as it was to be.
    #[error("no secure connection to PostgreSQL ({0}): check the server's certificate and its authority, or that it speaks TLS")]
    Tls(#[source] Source),
    /// The server does not let this user in.
    #[error("PostgreSQL refuses the login ({0}): check user, password and database")]
    Login(String),
    /// The user may not do that.
    #[error(
        "the user lacks a permission ({0}): grant USAGE on the schema and SELECT, INSERT, UPDATE, DELETE on its tables"
    )]
    Permission(String),
    /// The tables are not there, or not as they should be.
    #[error(
        "the tables are missing or not as they should be ({0}): let the builder `migrate`, or run what `PgStore::schema` says"
    )]
    Schema(String),
    /// No schema can have this name.
    #[error("a schema's name has 1 to 63 bytes, none of them zero")]
    Name,
    /// A newer build made the tables.
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
    /// No room is left.
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
    /// It was called outside of a tokio runtime, which its connections need.
    #[error("PgStore needs a tokio runtime: call it inside of one")]
    NoRuntime,
    /// The server did not do it, and may another time: too busy, shutting down, a lost race.
    #[error("PostgreSQL did not do it: {0}")]
    NotNow(String),
    /// The connection was lost, and its answer with it.
    #[error("the connection was lost: {0}")]
    Lost(#[source] Source),
    /// What is in the table is no record of this build's.
    #[error(transparent)]
    Record(RecordError),
    /// Something else.
    #[error("PostgreSQL: {0}")]
    Other(String),
}

type Source = Box<dyn std::error::Error + Send + Sync>;

impl PgError {
    /// What a server's error code says. Its own words follow; details, which may quote values, do not.
    pub(crate) fn of_server(code: &str, message: &str) -> Self {
        let said = format!("{message}, {code}");
        match code {
            "28000" | "28P01" | "3D000" => Self::Login(said),
            "42501" => Self::Permission(said),
            "3F000" | "42P01" | "42703" | "42704" | "42804" | "42883" => Self::Schema(said),
            "25006" => Self::ReadOnly(said),
            "53100" | "53200" => Self::Full(said),
            // The server is starting, stopping or busy; a statement of ours that it breaks off is undone as a whole.
            "53300" | "57P03" | "57014" | "40001" | "40P01" | "55P03" | "53400" | "55006" => Self::NotNow(said),
            // It may have been doing it when it was told to stop.
            "57P01" | "57P02" | "57P05" | "08000" | "08001" | "08003" | "08004" | "08006" | "08P01" => {
                Self::Lost(said.into())
            }
            "54000" | "22001" => Self::TooLarge(said),
            _ => Self::Other(said),
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
