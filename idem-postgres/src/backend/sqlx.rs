//! The service's sqlx pool.

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, Row as _};

use super::Backend;
use crate::error::PgError;
use crate::row::{read, Row};
use crate::sql::{Param, Statement};

/// The service's sqlx pool.
#[derive(Debug, Clone)]
pub(crate) struct Sqlx {
    pub(crate) pool: PgPool,
    /// Whether each connection prepares a statement once. If not, the parameters are written into the text: sqlx sends a
    /// statement and its parameters in two messages. A proxy that assigns a server connection per transaction may send them to
    /// two connections, and the second one may have another client's statement.
    pub(crate) prepared: bool,
}

/// A connection from the pool. If a verb is dropped before its answer came, the connection is closed: the pool would wait for
/// that answer, and count the connection against its limit meanwhile.
struct PooledConn(Option<PoolConnection<Postgres>>);

impl PooledConn {
    async fn get(pool: &PgPool) -> Result<Self, PgError> {
        pool.acquire().await.map(|connection| Self(Some(connection))).map_err(connect_error)
    }

    fn connection(&mut self) -> Result<&mut PgConnection, PgError> {
        let released = || PgError::Connect("the connection was given back".into());
        self.0.as_deref_mut().ok_or_else(released)
    }

    /// Returns the connection to the pool, unless the answer says that it was lost.
    fn release<T>(mut self, answer: &Result<T, PgError>) {
        if !matches!(answer, Err(PgError::Lost(_))) {
            drop(self.0.take());
        }
    }
}

impl Drop for PooledConn {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

impl Sqlx {
    async fn query(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<PgRow>, PgError> {
        let mut pooled = PooledConn::get(&self.pool).await?;
        let connection = pooled.connection()?;
        // Safe: the text comes from this crate.
        let answer = if self.prepared {
            let query = sqlx::query(AssertSqlSafe(statement.text.as_str()));
            params.iter().fold(query, |query, param| bind(query, *param)).fetch_all(connection).await
        } else {
            sqlx::raw_sql(AssertSqlSafe(statement.with(params))).fetch_all(connection).await
        };
        let rows = answer.map_err(query_error);
        pooled.release(&rows);
        rows
    }
}

fn bind<'q>(query: Query<'q, Postgres, PgArguments>, param: Param<'_>) -> Query<'q, Postgres, PgArguments> {
    match param {
        Param::Bytes(bytes) => query.bind(bytes.map(<[u8]>::to_vec)),
        Param::Text(text) => query.bind(text.to_owned()),
        Param::Number(number) => query.bind(number),
        Param::Bool(bool) => query.bind(bool),
    }
}

/// The error of a statement that was sent.
fn query_error(error: sqlx::Error) -> PgError {
    match &error {
        sqlx::Error::Database(database) => match database.code() {
            Some(code) => PgError::of_server(&code, database.message()),
            None => PgError::Other(database.message().to_owned()),
        },
        sqlx::Error::Configuration(_) => PgError::Url(error.into()),
        sqlx::Error::Tls(_) => PgError::Tls(error.into()),
        _ => PgError::Lost(error.into()),
    }
}

/// The error of an attempt to connect. No statement was sent.
fn connect_error(error: sqlx::Error) -> PgError {
    match query_error(error) {
        PgError::Lost(source) => PgError::Connect(source),
        other => other,
    }
}

/// The error of a row whose columns do not match the statement.
fn unexpected_row(error: sqlx::Error) -> PgError {
    PgError::Schema(error.to_string())
}

#[async_trait]
impl Backend for Sqlx {
    async fn rows(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<Row>, PgError> {
        let rows = self.query(statement, params).await?;
        rows.iter().map(|row| read!(row)).collect::<Result<_, sqlx::Error>>().map_err(unexpected_row)
    }

    async fn numbers(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<i64>, PgError> {
        let rows = self.query(statement, params).await?;
        let of = |row: &PgRow| (0..row.len()).map(|at| row.try_get(at)).collect();
        rows.first().map_or_else(|| Ok(Vec::new()), of).map_err(unexpected_row)
    }

    async fn text(&self, query: &str) -> Result<Option<String>, PgError> {
        let rows = self.query(&Statement { text: query.to_owned(), types: &[] }, &[]).await?;
        rows.first().map(|row| row.try_get(0)).transpose().map(Option::flatten).map_err(unexpected_row)
    }

    async fn batch(&self, statements: &str) -> Result<(), PgError> {
        let mut pooled = PooledConn::get(&self.pool).await?;
        let done =
            sqlx::raw_sql(AssertSqlSafe(statements)).execute(pooled.connection()?).await.map(drop).map_err(query_error);
        pooled.release(&done);
        done
    }
}
