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
    /// Whether each connection prepares a statement once. False behind a proxy that assigns a server connection per
    /// transaction: there another client's statement may have the same name.
    pub(crate) prepared: bool,
    /// Whether a [`WarmUp`] runs.
    warming_up: Arc<AtomicBool>,
}

/// A verb that waits for a connection. If connecting takes longer than a verb's time-out, each verb would drop its unfinished
/// connection and the pool would stay empty. So an abandoned wait starts a task that connects, one task at a time.
struct WaitGuard<'a> {
    backend: &'a Deadpool,
    abandoned: bool,
}

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        let Deadpool { pool, warming_up, .. } = self.backend;
        let (true, Ok(runtime)) = (self.abandoned, tokio::runtime::Handle::try_current()) else { return };
        if pool.status().available == 0 && !warming_up.swap(true, Ordering::SeqCst) {
            let (pool, warm_up) = (pool.clone(), WarmUp(Arc::clone(warming_up)));
            runtime.spawn(async move {
                drop(pool.get().await);
                drop(warm_up);
            });
        }
    }
}

/// A connection that is opened for later verbs. The flag is cleared on drop, because the runtime may end before the task does
/// and a verb on another runtime must be able to start the next one.
struct WarmUp(Arc<AtomicBool>);

impl Drop for WarmUp {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// A connection from the pool. If a verb is dropped before its answer came, the connection returns to the pool only after that
/// answer: the next verb would have to wait for it, for ever if the peer has vanished. The connection is not closed at once
/// either, because a server that is too busy to answer in time must not get a wave of new connections.
struct PooledConn(Option<Object>);

/// How long the answer of a dropped verb may take before its connection counts as lost.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

impl PooledConn {
    async fn get(backend: &Deadpool) -> Result<Self, PgError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(PgError::NoRuntime);
        }
        let mut guard = WaitGuard { backend, abandoned: true };
        let object = backend.pool.get().await;
        guard.abandoned = false;
        object.map(|object| Self(Some(object))).map_err(pool_error)
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
        let Some(object) = self.0.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if !object.is_closed() => drop(runtime.spawn(async move {
                // The server answers in order, so this answer follows the outstanding one.
                if !matches!(tokio::time::timeout(ANSWER_TIMEOUT, object.simple_query("")).await, Ok(Ok(_))) {
                    drop(Object::take(object));
                }
            })),
            _ => drop(Object::take(object)),
        }
    }
}

fn pool_error(error: PoolError) -> PgError {
    match error {
        PoolError::Backend(error) => connect_error(&error),
        PoolError::Timeout(_) => PgError::Connect("it does not answer".into()),
        other => PgError::Connect(other.into()),
    }
}

/// The error of an attempt to connect. No statement was sent.
pub(crate) fn connect_error(error: &tokio_postgres::Error) -> PgError {
    match query_error(error) {
        PgError::Lost(source) => {
            let message = source.to_string();
            // The client distinguishes these errors only by their text.
            let begins = |words: &[&str]| words.iter().any(|words| message.starts_with(words));
            if begins(&["authentication error", "invalid configuration"]) {
                PgError::Login(message)
            } else if begins(&["error performing TLS handshake"]) && !is_connection_loss(error) {
                PgError::Tls(source)
            } else {
                PgError::Connect(source)
            }
        }
        other => other,
    }
}

/// Whether a TLS handshake failed because the connection was lost.
fn is_connection_loss(error: &tokio_postgres::Error) -> bool {
    let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() != std::io::ErrorKind::InvalidData)
}

/// The error of a row whose columns do not match the statement.
fn unexpected_row(error: &tokio_postgres::Error) -> PgError {
    PgError::Schema(error.to_string())
}

/// The error of a statement that was sent.
pub(crate) fn query_error(error: &tokio_postgres::Error) -> PgError {
    match error.as_db_error() {
        Some(error) => PgError::of_server(error.code().code(), error.message()),
        // The error names the operation, its source the cause.
        None => match error.source() {
            Some(source) => PgError::Lost(format!("{error}: {source}").into()),
            None => PgError::Lost(error.to_string().into()),
        },
    }
}

impl Deadpool {
    pub(crate) fn new(pool: Pool, prepared: bool) -> Self {
        Self { pool, prepared, warming_up: Arc::default() }
    }

    async fn query(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<tokio_postgres::Row>, PgError> {
        let pooled = PooledConn::get(self).await?;
        let Some(client) = &pooled.0 else {
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
        let rows = answer.map_err(|error| query_error(&error));
        pooled.release(&rows);
        rows
    }
}

#[async_trait]
impl Backend for Deadpool {
    async fn rows(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<Row>, PgError> {
        let rows = self.query(statement, params).await?;
        rows.iter()
            .map(|row| read!(row))
            .collect::<Result<_, tokio_postgres::Error>>()
            .map_err(|error| unexpected_row(&error))
    }

    async fn numbers(&self, statement: &Statement, params: &[Param<'_>]) -> Result<Vec<i64>, PgError> {
        let rows = self.query(statement, params).await?;
        let of = |row: &tokio_postgres::Row| (0..row.len()).map(|at| row.try_get(at)).collect();
        rows.first().map_or_else(|| Ok(Vec::new()), of).map_err(|error| unexpected_row(&error))
    }

    async fn text(&self, query: &str) -> Result<Option<String>, PgError> {
        let rows = self.query(&Statement { text: query.to_owned(), types: &[] }, &[]).await?;
        let text = rows.first().map(|row| row.try_get(0)).transpose();
        text.map(Option::flatten).map_err(|error| unexpected_row(&error))
    }

    async fn batch(&self, statements: &str) -> Result<(), PgError> {
        let pooled = PooledConn::get(self).await?;
        let Some(client) = &pooled.0 else {
            return Ok(());
        };
        // The server runs the statements of one message in one transaction.
        let done = client.batch_execute(statements).await.map_err(|error| query_error(&error));
        pooled.release(&done);
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
