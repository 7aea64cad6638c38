//! tokio-postgres behind deadpool.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use deadpool_postgres::{Object, Pool, PoolError};
use tokio_postgres::types::{ToSql, Type as PgType};

use super::Backend;
use crate::error::PgError;
use crate::row::{read, Row};
use crate::sql::{Param, Statement, Type};

/// A pool of tokio-postgres' connections.
#[derive(Clone)]
pub(crate) struct Deadpool {
    pub(crate) pool: Pool,
    /// Whether statements are prepared once a connection. Not behind a proxy that lends a connection for a transaction only:
    /// there another client's statement may have the same name.
    pub(crate) prepared: bool,
}

/// A connection on loan. One that is let go of with an answer outstanding does not go back: the next user would wait for that
/// answer first, for ever behind a black hole.
struct Loan(Option<Object>);

impl Loan {
    async fn from(pool: &Pool) -> Result<Self, PgError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(PgError::NoRuntime);
        }
        pool.get().await.map(|object| Self(Some(object))).map_err(not_lent)
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
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

fn not_lent(error: PoolError) -> PgError {
    match error {
        PoolError::Backend(error) => not_connected(&error),
        PoolError::Timeout(_) => PgError::Connect("it does not answer".into()),
        other => PgError::Connect(other.into()),
    }
}

/// Nothing was asked yet.
pub(crate) fn not_connected(error: &tokio_postgres::Error) -> PgError {
    match failed(error) {
        PgError::Lost(source) => {
            let said = source.to_string();
            // The client does not tell these apart but by what it says.
            let begins = |words: &[&str]| words.iter().any(|words| said.starts_with(words));
            if begins(&["authentication error", "invalid configuration"]) {
                PgError::Login(said)
            } else if begins(&["error performing TLS handshake"]) && !was_cut(error) {
                PgError::Tls(source)
            } else {
                PgError::Connect(source)
            }
        }
        other => other,
    }
}

/// Whether a handshake failed because the connection did.
fn was_cut(error: &tokio_postgres::Error) -> bool {
    let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() != std::io::ErrorKind::InvalidData)
}

/// A row that is not what the statement asked for.
fn odd(error: &tokio_postgres::Error) -> PgError {
    PgError::Schema(error.to_string())
}

/// A statement that was sent, and failed.
pub(crate) fn failed(error: &tokio_postgres::Error) -> PgError {
    match error.as_db_error() {
        Some(error) => PgError::of_server(error.code().code(), error.message()),
        // The source says what happened; the error itself only where.
        None => match error.source() {
            Some(source) => PgError::Lost(format!("{error}: {source}").into()),
            None => PgError::Lost(error.to_string().into()),
        },
    }
}

impl Deadpool {
    async fn query(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<tokio_postgres::Row>, PgError> {
        let loan = Loan::from(&self.pool).await?;
        let Some(client) = &loan.0 else {
            return Ok(Vec::new());
        };
        let typed: Vec<_> = params.iter().zip(statement.types).map(|(param, ty)| (sql(param), pg_type(*ty))).collect();
        let answer = if self.prepared {
            let types: Vec<_> = typed.iter().map(|(_, ty)| ty.clone()).collect();
            let values: Vec<_> = typed.iter().map(|(value, _)| *value).collect();
            match client.prepare_typed_cached(&statement.text, &types).await {
                Ok(prepared) => client.query(&prepared, &values).await,
                Err(error) => Err(error),
            }
        } else {
            client.query_typed(&statement.text, &typed).await
        };
        let rows = answer.map_err(|error| failed(&error));
        loan.give_back(&rows);
        rows
    }
}

#[async_trait]
impl Backend for Deadpool {
    async fn rows(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<Row>, PgError> {
        let rows = self.query(statement, params).await?;
        rows.iter().map(|row| read!(row)).collect::<Result<_, tokio_postgres::Error>>().map_err(|error| odd(&error))
    }

    async fn numbers(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<i64>, PgError> {
        let rows = self.query(statement, params).await?;
        let of = |row: &tokio_postgres::Row| (0..row.len()).map(|at| row.try_get(at)).collect();
        rows.first().map_or_else(|| Ok(Vec::new()), of).map_err(|error| odd(&error))
    }

    async fn text(&self, query: &str) -> Result<Option<String>, PgError> {
        let rows = self.query(&Statement { text: query.to_owned(), types: &[] }, &[]).await?;
        let text = rows.first().map(|row| row.try_get(0)).transpose();
        text.map(Option::flatten).map_err(|error| odd(&error))
    }

    async fn batch(&self, statements: &str) -> Result<(), PgError> {
        let loan = Loan::from(&self.pool).await?;
        let Some(client) = &loan.0 else {
            return Ok(());
        };
        // Several statements in one message are one transaction.
        let done = client.batch_execute(statements).await.map_err(|error| failed(&error));
        loan.give_back(&done);
        done
    }
}

fn sql<'a>(param: &'a Param<'a>) -> &'a (dyn ToSql + Sync) {
    match param {
        Param::Bytes(bytes) => bytes,
        Param::Text(text) => text,
        Param::Number(number) => number,
        Param::Bool(bool) => bool,
    }
}

const fn pg_type(ty: Type) -> PgType {
    match ty {
        Type::Bytes => PgType::BYTEA,
        Type::Text => PgType::TEXT,
        Type::Number => PgType::INT8,
        Type::Bool => PgType::BOOL,
    }
}

impl fmt::Debug for Deadpool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadpool").field("prepared", &self.prepared).finish_non_exhaustive()
    }
}
