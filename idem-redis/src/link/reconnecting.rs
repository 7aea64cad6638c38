//! The store's own connection, opened when a verb needs it and opened again after it was lost.
//!
//! redis-rs' `ConnectionManager` is not used for three reasons. It fails for ever after a reconnection was refused (a changed
//! password, too many clients). It cannot ask a sentinel again. It does not tell whether a failed verb was sent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, Value};

use super::{Connector, Failure};

/// A verb whose future is dropped after this long without an answer discards its connection. The peer may have vanished
/// without closing it, and nothing else would end it soon.
const SUSPECT: Duration = Duration::from_secs(1);

pub(crate) struct Reconnecting {
    connector: Arc<dyn Connector>,
    current: Mutex<Option<Current>>,
    /// One verb connects while the others wait for its result. Holds the last failure.
    connecting: tokio::sync::Mutex<Option<(Instant, Failure)>>,
}

#[derive(Clone)]
struct Current {
    /// Tells the store's connections apart.
    number: u64,
    connection: MultiplexedConnection,
}

impl Reconnecting {
    pub(crate) fn new(connector: Arc<dyn Connector>) -> Self {
        Self { connector, current: Mutex::new(None), connecting: tokio::sync::Mutex::new(None) }
    }

    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, Failure> {
        let mut current = self.connection().await?;
        let guard = TimeoutGuard::new(self, current.number);
        let answer = current.connection.send_packed_command(command).await.and_then(Value::extract_error);
        guard.answered(answer)
    }

    pub(crate) async fn send_all(&self, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
        let mut current = self.connection().await?;
        let guard = TimeoutGuard::new(self, current.number);
        let answers = current.connection.send_packed_commands(commands, 0, commands.len()).await;
        guard.answered(answers)
    }

    async fn connection(&self) -> Result<Current, Failure> {
        if let Some(current) = self.current().clone() {
            return Ok(current);
        }
        let asked = Instant::now();
        let mut last = self.connecting.lock().await;
        // Another verb may have connected while this one waited for the lock.
        if let Some(current) = self.current().clone() {
            return Ok(current);
        }
        // Or it failed to.
        if let Some((_, failure)) = last.as_ref().filter(|(when, _)| *when >= asked) {
            return Err(failure.clone());
        }
        match self.connector.connect().await {
            Ok(connection) => {
                static NUMBERS: AtomicU64 = AtomicU64::new(0);
                let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
                let current = Current { number, connection };
                *self.current() = Some(current.clone());
                *last = None;
                Ok(current)
            }
            Err(error) => {
                let failure = Failure::unsent(error);
                *last = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    /// Makes the next verb connect. Verbs that were sent on this connection may still be answered.
    fn discard(&self, number: u64) {
        let mut current = self.current();
        if current.as_ref().is_some_and(|current| current.number == number) {
            *current = None;
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Discards the connection if the verb's future is dropped long after the verb was sent and before its answer came.
struct TimeoutGuard<'a> {
    link: &'a Reconnecting,
    number: u64,
    sent: Option<Instant>,
}

impl<'a> TimeoutGuard<'a> {
    fn new(link: &'a Reconnecting, number: u64) -> Self {
        Self { link, number, sent: Some(Instant::now()) }
    }

    fn answered<T>(mut self, answer: redis::RedisResult<T>) -> Result<T, Failure> {
        self.sent = None;
        answer.map_err(|error| {
            // READONLY: this server is no longer the master.
            if error.is_unrecoverable_error() || error.is_timeout() || error.code() == Some("READONLY") {
                self.link.discard(self.number);
            }
            Failure::sent(error)
        })
    }
}

impl Drop for TimeoutGuard<'_> {
    fn drop(&mut self) {
        if self.sent.is_some_and(|sent| sent.elapsed() >= SUSPECT) {
            self.link.discard(self.number);
        }
    }
}
