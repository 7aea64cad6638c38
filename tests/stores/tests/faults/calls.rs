//! A client that calls functions.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use idem::{Error, Idem, Kind};
use idem_testing::Recorded;
use tokio::time::{sleep, timeout};

use crate::clients::{now, Going, Orders, AT_ONCE, LEASE, TTL};
use crate::dice::Dice;
use crate::options::{Function, Options};
use crate::outcomes::{BodyError, End, Goes, Value};

const WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) orders: Arc<Orders>,
    pub(crate) idem: Idem,
    name: Arc<str>,
    fail_open: bool,
    calls: Arc<AtomicUsize>,
}

impl Caller {
    /// Its name is the one it has in the history.
    pub(crate) fn new(orders: Arc<Orders>, name: &str, store: Recorded, fail_open: bool) -> Self {
        let builder = Idem::builder(store).namespace(&orders.round).ttl(TTL).wait(WAIT);
        let builder = if fail_open { builder.fail_open() } else { builder };
        Self { idem: builder.build().unwrap(), orders, name: name.into(), fail_open, calls: Arc::default() }
    }

    /// What a call is called.
    pub(crate) fn id(&self, call: usize) -> String {
        format!("{}.{call}", self.name)
    }

    /// One call: that it is made is noted, and what comes of it. No answer if its caller goes away after a while.
    async fn calls(&self, n: u64, mut goes: Goes, leaves: Option<Duration>) -> Option<String> {
        goes.call = self.calls.fetch_add(1, Ordering::SeqCst);
        goes.options.fail_open = self.fail_open;
        let (id, from) = (self.id(goes.call), now().as_micros());
        self.orders.note("calls", format!("{} {n} {id} {from} {}", Function::of(n).name(), goes.options));
        let called = match leaves {
            Some(after) => timeout(after, self.call(n, goes)).await.ok(),
            None => Some(self.call(n, goes).await),
        };
        let answer = called.as_ref().map(|(result, kind)| words(result, *kind));
        let to = now().as_micros();
        self.orders.note("answers", format!("{id} {to} {}", answer.as_deref().unwrap_or("- dropped")));
        answer
    }

    pub(crate) async fn works(self, mut dice: Dice, mut going: Going) {
        while *going.borrow_and_update() {
            let n = self.orders.key(&mut dice);
            let options = Options::of(n, &mut dice);
            let on_for = match dice.roll(4) {
                0 => Duration::ZERO,
                1 => dice.millis(LEASE.as_millis() as u64, LEASE.as_millis() as u64 * 2),
                _ => dice.millis(1, 150),
            };
            let takes = if dice.one_in(4) { [on_for / 2; 2] } else { [Duration::ZERO, on_for] };
            // What runs at most once has its effect.
            let again = Function::of(n) != Function::Once;
            let ends = match dice.roll(16) {
                0 | 1 if again => End::Nothing,
                2 | 3 => End::Unknown,
                4 | 5 if again || options.record_err => End::Final,
                6 if dice.one_in(2) => End::Odd,
                _ => End::Well,
            };
            // Its caller goes away, in the middle.
            let leaves = dice.one_in(10).then(|| dice.millis(0, 100));
            self.calls(n, Goes { call: 0, takes, ends, options }, leaves).await;
            sleep(dice.millis(5, 50)).await;
        }
    }

    /// Calls all functions as it has done, and then to see what is recorded; says how long the slowest took.
    pub(crate) async fn calls_all(&self) -> Duration {
        let mut tasks = Vec::new();
        for first in 0..AT_ONCE {
            let this = self.clone();
            tasks.push(tokio::spawn(async move {
                let mut slowest = Duration::ZERO;
                let mut dice = Dice::of((this.orders.seed * 1000 + this.orders.process as u64) * 10 + first);
                for n in (first..this.orders.keys).step_by(AT_ONCE as usize) {
                    let mut began = Instant::now();
                    let goes = |options| Goes { call: 0, takes: [Duration::ZERO; 2], ends: End::Well, options };
                    this.calls(n, goes(Options::of(n, &mut dice)), None).await;
                    slowest = slowest.max(began.elapsed());
                    began = Instant::now();
                    let answer = loop {
                        let answer = this.calls(n, goes(Options::at_last(n)), None).await.unwrap();
                        let refused = answer.split(' ').nth(2).filter(|_| answer.starts_with("- refused"));
                        match refused {
                            // A connection that was cut before shows now.
                            Some("Store" | "InProgress") => {
                                assert!(began.elapsed() < Duration::from_secs(20), "{n}: {answer}");
                                sleep(Duration::from_millis(20)).await;
                            }
                            _ => break answer,
                        }
                    };
                    slowest = slowest.max(began.elapsed());
                    this.orders.note("last", format!("{} {n} {answer}", Function::of(n).name()));
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

/// What a call was answered, as it is noted.
fn words(result: &Result<Value, BodyError>, kind: Option<Kind>) -> String {
    let kind = kind.map_or("-".to_owned(), |kind| format!("{kind:?}"));
    match result {
        Ok(Value(run)) => format!("{kind} value {run}"),
        Err(BodyError::Idem(Error::Indeterminate { attempt, .. })) => format!("- refused Indeterminate {attempt}"),
        Err(BodyError::Idem(error)) => {
            let name = format!("{error:?}");
            let name = name.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
            format!("- refused {name} 0 {}", whole(error).replace(' ', "-"))
        }
        Err(BodyError::Nothing(run)) => format!("{kind} error Nothing {run}"),
        Err(BodyError::Unknown(run)) => format!("{kind} error Unknown {run}"),
        Err(BodyError::Unsure(run)) => format!("{kind} error Unsure {run}"),
        Err(BodyError::Final(run)) => format!("{kind} error Final {run}"),
    }
}

/// An error, and what it came of.
fn whole(error: &dyn std::error::Error) -> String {
    let source = error.source().map(whole);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
