//! A client that runs functions: with the attribute, and without.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use idem::{current, idempotent, with_outcome, Error, Failed, Idem, Kind};
use idem_testing::Recorded;
use tokio::time::{sleep, timeout};

use crate::clients::{Going, Orders, AT_ONCE, LEASE, TTL};
use crate::dice::Dice;

/// Every fourth key's function runs at most once.
const ONCE: u64 = 4;
const WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("nothing happened")]
    Nothing,
    #[error("nobody knows what happened")]
    Unknown,
    #[error(transparent)]
    Idem(#[from] Error),
}

impl CallError {
    fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// How a body goes.
#[derive(Debug, Clone, Copy)]
struct Goes {
    on_for: Duration,
    ends: End,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Well,
    Nothing,
    Unknown,
}

#[derive(Debug, Clone)]
pub(crate) struct Caller {
    orders: Arc<Orders>,
    idem: Idem,
    runs: Arc<AtomicUsize>,
    name: Arc<str>,
}

#[idempotent(name = "call", key = n, lease = LEASE, unknown_err = CallError::is_unknown, idem = caller.idem)]
async fn call(caller: &Caller, n: u64, goes: Goes) -> Result<String, CallError> {
    caller.body("call", n, goes).await
}

#[idempotent(name = "once", key = n, lease = LEASE, at_most_once, unknown_err = CallError::is_unknown, idem = caller.idem)]
async fn once(caller: &Caller, n: u64, goes: Goes) -> Result<String, CallError> {
    caller.body("once", n, goes).await
}

/// What a call was answered.
#[derive(Debug)]
enum Answer {
    Value(String, Kind),
    Error(String),
}

impl Caller {
    pub(crate) fn new(orders: Arc<Orders>, store: Recorded) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{}.{}", orders.process, NEXT.fetch_add(1, Ordering::SeqCst)).into();
        let builder = Idem::builder(store).namespace(&orders.round).ttl(TTL).wait(WAIT);
        Self { idem: builder.build().unwrap(), orders, runs: Arc::default(), name }
    }

    /// The body: it leaves what it did.
    async fn body(&self, operation: &str, n: u64, goes: Goes) -> Result<String, CallError> {
        let me = current().unwrap();
        let run = format!("{}.{}", self.name, self.runs.fetch_add(1, Ordering::SeqCst));
        self.orders.note("effects", format!("{operation} {n} {run} {} {}", me.fencing_token(), me.attempt()));
        sleep(goes.on_for).await;
        match goes.ends {
            End::Well => Ok(run),
            End::Nothing => Err(CallError::Nothing),
            End::Unknown => Err(CallError::Unknown),
        }
    }

    async fn call(&self, n: u64, goes: Goes, attribute: bool) -> Answer {
        let (result, kind) = if attribute && n.is_multiple_of(ONCE) {
            with_outcome(once(self, n, goes)).await
        } else if attribute {
            with_outcome(call(self, n, goes)).await
        } else {
            let name = operation(n);
            let op = self.idem.operation(name).key(n).lease(LEASE).unknown_err(CallError::is_unknown);
            let op = if n.is_multiple_of(ONCE) { op.at_most_once() } else { op };
            match op.run(self.body(name, n, goes)).await {
                Ok(outcome) => return Answer::Value(outcome.clone().into_inner(), outcome.kind()),
                Err(Failed::Idem(error)) => (Err(CallError::Idem(error)), None),
                Err(Failed::Body(error)) => (Err(error), None),
            }
        };
        match (result, kind) {
            (Ok(value), Some(kind)) => Answer::Value(value, kind),
            (Ok(value), None) => panic!("{value} came from nowhere"),
            (Err(CallError::Idem(Error::Indeterminate { .. })), _) => Answer::Error("Indeterminate".into()),
            (Err(CallError::Idem(error)), _) => Answer::Error(format!("Idem {}", whole(&error).replace(' ', "-"))),
            (Err(error), _) => Answer::Error(format!("{error:?}")),
        }
    }

    pub(crate) async fn works(self, mut dice: Dice, mut going: Going) {
        while *going.borrow_and_update() {
            let n = self.orders.key(&mut dice);
            let on_for = match dice.roll(4) {
                0 => Duration::ZERO,
                1 => dice.millis(LEASE.as_millis() as u64, LEASE.as_millis() as u64 * 2),
                _ => dice.millis(1, 150),
            };
            let ends = match dice.roll(8) {
                // What has run at most once has had its effect.
                0 if !n.is_multiple_of(ONCE) => End::Nothing,
                1 => End::Unknown,
                _ => End::Well,
            };
            let call = self.call(n, Goes { on_for, ends }, dice.one_in(2));
            if dice.one_in(10) {
                // Its caller goes away, in the middle.
                let _ = timeout(dice.millis(0, 100), call).await;
                continue;
            }
            let answer = call.await;
            self.orders.note("answers", format!("{} {n} {answer}", operation(n)));
            sleep(dice.millis(5, 50)).await;
        }
    }

    /// Calls all functions, and says how long the slowest took.
    pub(crate) async fn calls_all(&self) -> Duration {
        let mut tasks = Vec::new();
        for first in 0..AT_ONCE {
            let this = self.clone();
            tasks.push(tokio::spawn(async move {
                let mut slowest = Duration::ZERO;
                for n in (first..this.orders.keys).step_by(AT_ONCE as usize) {
                    let began = Instant::now();
                    let goes = Goes { on_for: Duration::ZERO, ends: End::Well };
                    let answer = loop {
                        match this.call(n, goes, n % 2 == 0).await {
                            // To be tried again: a connection that was cut before shows now.
                            Answer::Error(error) if error != "Indeterminate" => {
                                assert!(began.elapsed() < Duration::from_secs(20), "{n}: {error}");
                                sleep(Duration::from_millis(20)).await;
                            }
                            answer => break answer,
                        }
                    };
                    slowest = slowest.max(began.elapsed());
                    this.orders.note("last", format!("{} {n} {answer}", operation(n)));
                }
                slowest
            }));
        }
        let mut slowest = Duration::ZERO;
        for task in tasks {
            slowest = slowest.max(task.await.unwrap());
        }
        slowest
    }
}

/// An error, and what it came of.
fn whole(error: &dyn std::error::Error) -> String {
    let source = error.source().map(whole);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

pub(crate) fn operation(n: u64) -> &'static str {
    if n.is_multiple_of(ONCE) {
        "once"
    } else {
        "call"
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value, kind) => write!(f, "{kind:?} {value}"),
            Self::Error(error) => write!(f, "error {error}"),
        }
    }
}
