//! The handler, and what it may answer. It knows nothing of lines and queues.

use std::io;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use idem::{idempotent, with_outcome, Kind};
use serde::{Deserialize, Serialize};

use crate::events::Event;
use crate::ledger::Ledger;

/// What was credited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Credit {
    pub(crate) cents: u64,
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum CreditError {
    /// Nothing was credited, and it is worth another attempt.
    #[error("the account is closed (attempt {attempt})")]
    Closed { attempt: u32 },
    /// Nothing was credited, and that was the last attempt.
    #[error("the account is closed; set aside after {attempts} attempts")]
    Poison { attempts: u32 },
    /// The ledger failed half-way.
    #[serde(skip)]
    #[error("the ledger may have it or not")]
    Ledger(#[source] io::Error),
    #[serde(skip)]
    #[error(transparent)]
    Idempotency(#[from] idem::Error),
}

/// A credit, or the error, and where it came from.
pub(crate) type Answer = (Result<Credit, CreditError>, Option<Kind>);

/// Credits accounts.
#[derive(Debug)]
pub(crate) struct Handler {
    ledger: Arc<Ledger>,
    attempts: NonZeroU32,
    bodies: AtomicU64,
}

/// The whole of it.
///
/// - `fingerprint` tells a redelivery from another event with the same id.
/// - `ttl`: the queue may redeliver for days, and for no longer than that.
/// - `wait`: a duplicate waits for the call that is running; not for long, for others wait for its place in flight.
/// - `record_err`: the last error of an event that always fails is its result. What is delivered later runs nothing.
/// - `unknown_err`, `at_most_once`: a ledger that failed half-way is not asked again. Somebody has to look into it.
/// - `detached`: what has begun ends, whoever stops listening.
#[idempotent(
    name = "worker.credit",
    key = event.id,
    fingerprint = event,
    ttl = "14d",
    wait = "1s",
    record_err = CreditError::is_final,
    unknown_err = CreditError::leaves_it_open,
    at_most_once,
    detached
)]
async fn credit(handler: Arc<Handler>, event: Event) -> Result<Credit, CreditError> {
    handler.bodies.fetch_add(1, Ordering::SeqCst);
    if event.account == "closed" {
        return Err(handler.failed());
    }
    let cents = event.cents;
    Arc::clone(&handler.ledger).append(event).await.map_err(CreditError::Ledger)?;
    Ok(Credit { cents })
}

impl Handler {
    pub(crate) fn new(ledger: Arc<Ledger>, attempts: NonZeroU32) -> Self {
        Self { ledger, attempts, bodies: AtomicU64::new(0) }
    }

    /// Handles an event, and says where the answer came from.
    pub(crate) async fn handle(self: Arc<Self>, event: Event) -> Answer {
        with_outcome(credit(self, event)).await
    }

    /// How many times the body ran.
    pub(crate) fn bodies(&self) -> u64 {
        self.bodies.load(Ordering::SeqCst)
    }

    /// After how many failed attempts an event is set aside.
    pub(crate) const fn attempts(&self) -> u32 {
        self.attempts.get()
    }

    /// The error of an attempt. Which one it is stands in the record: every delivery's attempts count.
    fn failed(&self) -> CreditError {
        match idem::current().map_or(1, |call| call.attempt()) {
            attempt if attempt < self.attempts() => CreditError::Closed { attempt },
            attempts => CreditError::Poison { attempts },
        }
    }
}

impl CreditError {
    /// Whether it is the event's result: recorded, and replayed from then on.
    const fn is_final(&self) -> bool {
        matches!(self, Self::Poison { .. })
    }

    /// Whether the account may have been credited.
    const fn leaves_it_open(&self) -> bool {
        matches!(self, Self::Ledger(_))
    }

    /// When to try again; `None` when that is of no use.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Closed { .. } => Some(Duration::ZERO),
            Self::Idempotency(error) => error.retry_after(),
            Self::Poison { .. } | Self::Ledger(_) => None,
        }
    }
}
