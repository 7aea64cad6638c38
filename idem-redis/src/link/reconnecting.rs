//! A connection of the store's own, made when it is needed and made again when it is lost.
//!
//! redis-rs' manager would do, but for three things: it goes on failing for ever when it was refused while it reconnected (a
//! password that was changed, too many clients); it cannot ask a sentinel again; and it does not say whether a verb that
//! failed was sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, Value};

use super::{Dial, Failure};

/// A verb that was given up after this long without an answer takes its connection with it: behind a black hole nothing else
/// would end it soon.
const SUSPECT: Duration = Duration::from_secs(1);

pub(crate) struct Dialed {
    dial: Arc<dyn Dial>,
    held: Mutex<Option<Ownership>>,
    /// One dials, the others wait for what comes of it.
    dialing: tokio::sync::Mutex<Option<(Instant, Failure)>>,
}

#[derive(Clone)]
struct Ownership {
    /// Which of the store's connections it is.
    number: u64,
    connection: MultiplexedConnection,
}

impl Dialed {
    pub(crate) fn new(dial: Arc<dyn Dial>) -> Self {
        Self { dial, held: Mutex::new(None), dialing: tokio::sync::Mutex::new(None) }
    }

    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, Failure> {
        let mut held = self.connection().await?;
        let given_up = GivenUp::watch(self, held.number);
        let answer = held.connection.send_packed_command(command).await.and_then(Value::extract_error);
        given_up.answered(answer)
    }

    pub(crate) async fn send_all(&self, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
        let mut held = self.connection().await?;
        let given_up = GivenUp::watch(self, held.number);
        let answers = held.connection.send_packed_commands(commands, 0, commands.len()).await;
        given_up.answered(answers)
    }

    async fn connection(&self) -> Result<Ownership, Failure> {
        if let Some(held) = self.held().clone() {
            return Ok(held);
        }
        let asked = Instant::now();
        let mut last = self.dialing.lock().await;
        // Meanwhile another verb dialed.
        if let Some(held) = self.held().clone() {
            return Ok(held);
        }
        if let Some((when, failure)) = last.as_ref().filter(|(when, _)| *when >= asked) {
            let _ = when;
            return Err(failure.clone());
        }
        match self.dial.connect().await {
            Ok(connection) => {
                static NUMBERS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
                let number = NUMBERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let held = Ownership { number, connection };
                *self.held() = Some(held.clone());
                *last = None;
                Ok(held)
            }
            Err(error) => {
                let failure = Failure::unsent(error);
                *last = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    /// The next verb makes a new connection; verbs that are out on this one may yet be answered.
    fn discard(&self, number: u64) {
        let mut held = self.held();
        if held.as_ref().is_some_and(|held| held.number == number) {
            *held = None;
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<Ownership>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notices a verb whose future is dropped before its answer came.
struct GivenUp<'a> {
    dialed: &'a Dialed,
    number: u64,
    since: Option<Instant>,
}

impl<'a> GivenUp<'a> {
    fn watch(dialed: &'a Dialed, number: u64) -> Self {
        Self { dialed, number, since: Some(Instant::now()) }
    }

    fn answered<T>(mut self, answer: redis::RedisResult<T>) -> Result<T, Failure> {
        self.since = None;
        answer.map_err(|error| {
            // A former master is not asked again.
            if error.is_unrecoverable_error() || error.is_timeout() || error.code() == Some("READONLY") {
                self.dialed.discard(self.number);
            }
            Failure::sent(error)
        })
    }
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if self.since.is_some_and(|since| since.elapsed() >= SUSPECT) {
            self.dialed.discard(self.number);
        }
    }
}
