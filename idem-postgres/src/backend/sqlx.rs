//! A pool of sqlx's.

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, Row as _};

use super::Backend;
use crate::error::PgError;
use crate::row::{read, Row};
use crate::sql::{Param, Statement};

/// A pool of sqlx's.
#[derive(Debug, Clone)]
pub(crate) struct Sqlx {
    pub(crate) pool: PgPool,
    /// Whether statements are prepared once a connection. Where they are not, parameters are written into the text: sqlx sends
    /// a statement and its parameters in two messages, and a proxy that lends a connection for a transaction may hand them to
    /// two connections, the second of which has another client's statement.
    pub(crate) prepared: bool,
}

/// A connection on loan. One that is let go of with an answer outstanding does not go back: the pool would wait for that
/// answer, and count the connection as one of its own meanwhile.
struct Loan(Option<PoolConnection<Postgres>>);

impl Loan {
    async fn from(pool: &PgPool) -> Result<Self, PgError> {
        pool.acquire().await.map(|connection| Self(Some(connection))).map_err(not_connected)
    }

    fn connection(&mut self) -> Result<&mut PgConnection, PgError> {
        let given_back = || PgError::Connect("the connection was given back".into());
        self.0.as_deref_mut().ok_or_else(given_back)
    }

    /// Unless the answer says that the connection is of no use any more.
    fn give_back<T>(mut self, answer: &Result<T, PgError>) {
        if !matches!(answer, Err(PgError::Lost(_))) {
            drop(self.0.take());
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

impl Sqlx {
    async fn query(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<PgRow>, PgError> {
        let mut loan = Loan::from(&self.pool).await?;
        let connection = loan.connection()?;
        // The text is this crate's own.
        let answer = if self.prepared {
            let query = sqlx::query(AssertSqlSafe(statement.text.as_str()));
            params.iter().fold(query, |query, param| bound(query, *param)).fetch_all(connection).await
        } else {
            sqlx::raw_sql(AssertSqlSafe(statement.with(params))).fetch_all(connection).await
        };
        let rows = answer.map_err(failed);
        loan.give_back(&rows);
        rows
    }
}

fn bound<'q>(query: Query<'q, Postgres, PgArguments>, param: Param<'_>) -> Query<'q, Postgres, PgArguments> {
    match param {
        Param::Bytes(bytes) => query.bind(bytes.map(<[u8]>::to_vec)),
        Param::Text(text) => query.bind(text.to_owned()),
        Param::Number(number) => query.bind(number),
        Param::Bool(bool) => query.bind(bool),
    }
}

/// A statement that was sent, and failed.
fn failed(error: sqlx::Error) -> PgError {
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

/// Nothing was asked yet.
fn not_connected(error: sqlx::Error) -> PgError {
    match failed(error) {
        PgError::Lost(source) => PgError::Connect(source),
        other => other,
    }
}

/// A row that is not what the statement asked for.
fn odd(error: sqlx::Error) -> PgError {
    PgError::Schema(error.to_string())
}

#[async_trait]
impl Backend for Sqlx {
    async fn rows(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<Row>, PgError> {
        let rows = self.query(statement, params).await?;
        rows.iter().map(|row| read!(row)).collect::<Result<_, sqlx::Error>>().map_err(odd)
    }

    async fn numbers(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<i64>, PgError> {
        let rows = self.query(statement, params).await?;
        let of = |row: &PgRow| (0..row.len()).map(|at| row.try_get(at)).collect();
        rows.first().map_or_else(|| Ok(Vec::new()), of).map_err(odd)
    }

    async fn text(&self, query: &str) -> Result<Option<String>, PgError> {
        let rows = self.query(&Statement { text: query.to_owned(), types: &[] }, &[]).await?;
        rows.first().map(|row| row.try_get(0)).transpose().map(Option::flatten).map_err(odd)
    }

    async fn batch(&self, statements: &str) -> Result<(), PgError> {
        let mut loan = Loan::from(&self.pool).await?;
        let done = sqlx::raw_sql(AssertSqlSafe(statements)).execute(loan.connection()?).await.map(drop).map_err(failed);
        loan.give_back(&done);
        done
    }
}
