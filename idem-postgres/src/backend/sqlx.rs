//! A pool of sqlx's.

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Row as _};

use super::Backend;
use crate::error::PgError;
use crate::row::{read, Row};
use crate::sql::{Param, Statement};

/// A pool of sqlx's, which takes back a connection only when nothing is outstanding on it.
#[derive(Debug, Clone)]
pub(crate) struct Sqlx {
    pub(crate) pool: PgPool,
    /// Whether statements are prepared once a connection.
    pub(crate) prepared: bool,
}

impl Sqlx {
    async fn query(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<PgRow>, PgError> {
        // The text is this crate's own.
        let query = sqlx::query(AssertSqlSafe(statement.text.as_str())).persistent(self.prepared);
        let query = params.iter().fold(query, |query, param| bound(query, *param));
        query.fetch_all(&self.pool).await.map_err(failed)
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

fn failed(error: sqlx::Error) -> PgError {
    match &error {
        sqlx::Error::Database(database) => match database.code() {
            Some(code) => PgError::of_server(&code, database.message()),
            None => PgError::Other(database.message().to_owned()),
        },
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => PgError::Connect(error.into()),
        sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => PgError::Connect(error.into()),
        _ => PgError::Lost(error.into()),
    }
}

#[async_trait]
impl Backend for Sqlx {
    async fn rows(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<Row>, PgError> {
        let rows = self.query(statement, params).await?;
        rows.iter().map(|row| read!(row)).collect::<Result<_, sqlx::Error>>().map_err(failed)
    }

    async fn numbers(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<i64>, PgError> {
        let rows = self.query(statement, params).await?;
        let of = |row: &PgRow| (0..row.len()).map(|at| row.try_get(at)).collect();
        rows.first().map_or_else(|| Ok(Vec::new()), of).map_err(failed)
    }

    async fn text(&self, query: &str) -> Result<Option<String>, PgError> {
        let rows = self.query(&Statement { text: query.to_owned(), types: &[] }, &[]).await?;
        rows.first().map(|row| row.try_get(0)).transpose().map(Option::flatten).map_err(failed)
    }

    async fn batch(&self, statements: &str) -> Result<(), PgError> {
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&self.pool).await.map(drop).map_err(failed)
    }
}
