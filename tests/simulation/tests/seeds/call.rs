//! A call, its body, and what is written down of both.

use std::future::{poll_fn, Future};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use idem::{with_outcome, CallError, Error, Idem, Outcome};
use idem_simulation::wire::{Answer, End, Fault, Found, Note, Refusal, Value, Wire, Word};
use tokio::time::sleep;

use crate::plan::{Body, Deploy, Ends, Print};

/// What the world outside knows: how many bodies ran, and what they did.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    runs: u64,
    effects: Vec<(u32, u64)>,
}

/// All that a body needs.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub wire: Wire,
    pub ledger: Arc<Mutex<Ledger>>,
    pub call: u32,
    pub key: u32,
    pub body: Body,
}

/// A body that runs. However it ends, that is written down.
struct Running<'a> {
    job: &'a Job,
    run: u64,
    end: End,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.job.wire.note(Note::Ended(self.run, self.end));
    }
}

async fn body(job: Job) -> Result<Value, Fault> {
    let run = {
        let mut ledger = job.ledger.lock().unwrap();
        ledger.runs += 1;
        ledger.runs
    };
    let (fence, attempt) = idem::current().map_or((0, 0), |current| (current.fencing_token(), current.attempt()));
    job.wire.note(Note::Began { run, call: job.call, fence, attempt });
    let mut running = Running { job: &job, run, end: End::Dropped };
    let Body { ms, effect, ends } = job.body;
    pause(effect).await;
    let has_effect = match ends {
        Ends::Known | Ends::Kept => false,
        Ends::Unknown => run.is_multiple_of(2),
        _ => true,
    };
    if has_effect {
        job.ledger.lock().unwrap().effects.push((job.key, run));
        job.wire.note(Note::Effect(run));
    }
    pause(ms - effect).await;
    let outcome = match ends {
        Ends::Value => Ok(Value::of(run, false)),
        Ends::Odd => Ok(Value::of(run, true)),
        Ends::Known => Err(Fault::Known(run)),
        Ends::Kept => Err(Fault::Kept(run)),
        Ends::Unknown => Err(Fault::Unknown(run)),
        Ends::Panic => {
            running.end = End::Panicked;
            drop(running);
            // Nobody is told: it is no bug.
            resume_unwind(Box::new("boom"))
        }
    };
    running.end = match outcome {
        Ok(_) => End::Value(ends == Ends::Odd),
        Err(fault) => End::Error(fault),
    };
    outcome
}

async fn pause(ms: u64) {
    if ms > 0 {
        sleep(Duration::from_millis(ms)).await;
    }
}

/// Asks the world outside what an earlier attempt did.
async fn ask(job: Job) -> Result<Option<Value>, Fault> {
    job.wire.note(Note::Asked(job.call, Found::NotYet));
    pause(u64::from(job.call % 5) * 40).await;
    let effect = job.ledger.lock().unwrap().effects.iter().rev().find(|(key, _)| *key == job.key).map(|(_, run)| *run);
    let (found, answer) = match effect {
        _ if job.call.is_multiple_of(7) => (Found::Trouble, Err(Fault::Unknown(0))),
        Some(run) => (Found::Effect(run), Ok(Some(Value::of(run, false)))),
        None => (Found::Nothing, Ok(None)),
    };
    job.wire.note(Note::Asked(job.call, found));
    answer
}

fn unknown(fault: &Fault) -> bool {
    matches!(fault, Fault::Unknown(_))
}

fn never(_: &Fault) -> bool {
    false
}

fn kept(fault: &Fault) -> bool {
    matches!(fault, Fault::Kept(_))
}

type Called = Pin<Box<dyn Future<Output = Result<Outcome<Value>, CallError<Fault>>> + Send>>;

/// A call with a node's options. Polled for the first time, it is made.
fn call(idem: &Idem, deploy: Deploy, request: u8, job: Job) -> Called {
    let ms = Duration::from_millis;
    let op = idem.operation("sim").key(job.key).ttl(ms(deploy.ttl)).lease(ms(deploy.lease)).wait(ms(deploy.wait));
    let op = match deploy.print {
        Print::Nothing => op,
        Print::Request => op.fingerprint(&request),
        Print::Reshaped => op.fingerprint(&("v2", request)),
    };
    let op = if deploy.at_most_once { op.at_most_once() } else { op };
    let op = op.unknown_err(if deploy.unknown_err { unknown } else { never });
    let asker = job.clone();
    let ask = move || ask(asker.clone());
    macro_rules! run {
        ($op:expr) => {{
            let op = $op;
            if deploy.detached {
                Box::pin(async move { op.detached().run(body(job)).await })
            } else {
                Box::pin(async move { op.run(body(job)).await })
            }
        }};
    }
    match (deploy.record_err, deploy.reconcile) {
        (false, false) => run!(op),
        (false, true) => run!(op.reconcile(ask)),
        (true, false) => run!(op.record_err(kept)),
        (true, true) => run!(op.record_err(kept).reconcile(ask)),
    }
}

/// A caller: calls, and writes down what it is told.
pub(crate) async fn caller(idem: Idem, deploy: Deploy, request: u8, job: Job) {
    let (wire, number) = (job.wire.clone(), job.call);
    wire.note(Note::Called(number));
    let mut calling = Box::pin(with_outcome(async move { call(&idem, deploy, request, job).await }));
    let told = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| calling.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(told)) => Poll::Ready(Some(told)),
        Err(_) => Poll::Ready(None),
    })
    .await;
    drop(calling);
    let answer = match told {
        None => Answer::Panicked,
        Some((Ok(outcome), _)) => {
            let (kind, value) = (outcome.kind(), outcome.into_inner());
            let honest = [false, true].map(|odd| Value::of(value.run, odd).weight.to_bits());
            if honest.contains(&value.weight.to_bits()) {
                Answer::Value(value.run, kind)
            } else {
                Answer::Garbled(format!("{value:?}"))
            }
        }
        Some((Err(CallError::Body(fault)), kind)) => Answer::Error(fault, kind),
        Some((Err(CallError::Idem(error)), _)) => Answer::Refused(refusal(&error)),
    };
    wire.note(Note::Answered(number, answer));
}

/// An operator.
pub(crate) async fn operator(idem: Idem, key: u32, word: Word, number: u32, wire: Wire) {
    wire.note(Note::Called(number));
    let op = idem.operation("sim").key(key);
    let told = match word {
        Word::Resolve(run) => op.resolve(&Value::of(run, false)).await,
        Word::Retry => op.retry().await,
        Word::Forget => op.forget().await,
        Word::Inspect => op.inspect().await.map(|record| record.is_some()),
    };
    let answer = told.map_or_else(|error| Answer::Refused(refusal(&error)), Answer::Settled);
    wire.note(Note::Answered(number, answer));
}

fn refusal(error: &Error) -> Refusal {
    match error {
        Error::InProgress { .. } => Refusal::InProgress,
        Error::KeyReused { .. } => Refusal::KeyReused,
        Error::Indeterminate { attempt, .. } => Refusal::Indeterminate(*attempt),
        Error::Unreplayable { .. } => Refusal::Unreplayable,
        Error::Decode { .. } => Refusal::Decode,
        Error::Store { .. } => Refusal::Store,
        Error::ShuttingDown { .. } => Refusal::ShuttingDown,
        other => Refusal::Other(other.to_string()),
    }
}
