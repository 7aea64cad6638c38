//! The clients that send the statements.

mod deadpool;
#[cfg(feature = "sqlx")]
mod sqlx;

use std::fmt;

use async_trait::async_trait;

pub(crate) use self::deadpool::{connect_error, Deadpool};
#[cfg(feature = "sqlx")]
pub(crate) use self::sqlx::Sqlx;
use crate::error::PgError;
use crate::row::Row;
use crate::sql::{Param, Statement};

/// A connection pool of one of the clients.
#[async_trait]
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    /// Sends a statement about records once.
    async fn rows(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<Row>, PgError>;

    /// Sends a statement that answers with one row of numbers.
    async fn numbers(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<i64>, PgError>;

    /// Queries one text; `None` if there is no row or its column is NULL.
    async fn text(&self, query: &str) -> Result<Option<String>, PgError>;

    /// Sends several statements in one transaction.
    async fn batch(&self, statements: &str) -> Result<(), PgError>;
}
