//! tokio-postgres behind deadpool.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

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
    spare: Arc<AtomicBool>,
}

/// A verb that waits for a connection. Where making one takes longer than a verb may, each would throw away the one that it has
/// half made, and there would never be any: so one that gives up leaves another being made, at most one at a time.
struct Waiting<'a> {
    of: &'a Deadpool,
    for_nothing: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Deadpool { pool, spare, .. } = self.of;
        let (true, Ok(runtime)) = (self.for_nothing, tokio::runtime::Handle::try_current()) else { return };
        if pool.status().available == 0 && !spare.swap(true, Ordering::SeqCst) {
            let (pool, made) = (pool.clone(), Spare(Arc::clone(spare)));
            runtime.spawn(async move {
                drop(pool.get().await);
                drop(made);
            });
        }
    }
}

/// A connection that is being made for nobody yet. Its runtime may end first, and another one's verbs need the next.
struct Spare(Arc<AtomicBool>);

impl Drop for Spare {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// A connection on loan. One that is let go of with an answer outstanding does not go back before that has come: the next user
/// would wait for it first, for ever behind a black hole. Nor is it thrown away at once: to make new ones is the last thing
/// that a server needs which is too busy to answer in time.
struct Loan(Option<Object>);

/// How long an answer that nobody waits for may take, before its connection counts as lost.
const OUTSTANDING: Duration = Duration::from_secs(1);

impl Loan {
    async fn of(backend: &Deadpool) -> Result<Self, PgError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(PgError::NoRuntime);
        }
        let mut waiting = Waiting { of: backend, for_nothing: true };
        let lent = backend.pool.get().await;
        waiting.for_nothing = false;
        lent.map(|object| Self(Some(object))).map_err(not_lent)
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
        let Some(object) = self.0.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if !object.is_closed() => drop(runtime.spawn(async move {
                // Answered after whatever is outstanding.
                if !matches!(tokio::time::timeout(OUTSTANDING, object.simple_query("")).await, Ok(Ok(_))) {
                    drop(Object::take(object));
                }
            })),
            _ => drop(Object::take(object)),
        }
    }
}

fn not_lent(error: PoolError) -> PgError {
    match error {
        PoolError::Backend(error) => connect_error(&error),
        PoolError::Timeout(_) => PgError::Connect("it does not answer".into()),
        other => PgError::Connect(other.into()),
    }
}

/// Nothing was asked yet.
pub(crate) fn connect_error(error: &tokio_postgres::Error) -> PgError {
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
    pub(crate) fn new(pool: Pool, prepared: bool) -> Self {
        Self { pool, prepared, spare: Arc::default() }
    }

    async fn query(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<tokio_postgres::Row>, PgError> {
        let loan = Loan::of(self).await?;
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
        let loan = Loan::of(self).await?;
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
