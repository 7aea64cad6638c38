//! What is guarded: bodies that leave what they did, with the attribute and without.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use idem::{current, idempotent, with_outcome, CallError, DetachedOperation, Kind, OperationBuilder, Policy};
use tokio::time::sleep;

use crate::calls::Caller;
use crate::clients::{now, LEASE};
use crate::options::Function;
use crate::outcomes::{BodyError, End, Goes, Value};

#[idempotent(name = "call", key = n, lease = LEASE, unknown_err = BodyError::is_unknown, idem = caller.idem)]
async fn call(caller: &Caller, n: u64, goes: Goes) -> Result<Value, BodyError> {
    caller.body(n, goes).await
}

#[idempotent(name = "once", key = n, lease = LEASE, at_most_once, unknown_err = BodyError::is_unknown, idem = caller.idem)]
async fn once(caller: &Caller, n: u64, goes: Goes) -> Result<Value, BodyError> {
    caller.body(n, goes).await
}

#[idempotent(name = "asks", key = n, lease = LEASE, fingerprint = goes.options.fingerprint.unwrap_or_default(),
    record_err = BodyError::is_final, unknown_err = BodyError::is_unknown, reconcile = caller.asks(n, goes),
    idem = caller.idem)]
async fn asks(caller: &Caller, n: u64, goes: Goes) -> Result<Value, BodyError> {
    caller.body(n, goes).await
}

#[idempotent(name = "far", key = n, lease = LEASE, detached, record_err = BodyError::is_final,
    unknown_err = BodyError::is_unknown, idem = caller.idem)]
async fn far(caller: Caller, n: u64, goes: Goes) -> Result<Value, BodyError> {
    caller.body(n, goes).await
}

type Called = (Result<Value, BodyError>, Option<Kind>);
type Asks = Pin<Box<dyn Future<Output = Result<Option<Value>, BodyError>> + Send>>;

impl Caller {
    /// One call, as its options have it.
    pub(crate) async fn call(&self, n: u64, goes: Goes) -> Called {
        let (function, options) = (Function::of(n), goes.options);
        match function {
            Function::Call if options.attribute => return with_outcome(call(self, n, goes)).await,
            Function::Once if options.attribute => return with_outcome(once(self, n, goes)).await,
            Function::Asks if options.attribute => return with_outcome(asks(self, n, goes)).await,
            Function::Far if options.attribute => return with_outcome(far(self.clone(), n, goes)).await,
            _ => {}
        }
        let mut op = self.idem.operation(function.name()).key(n).lease(LEASE);
        if options.at_most_once {
            op = op.at_most_once();
        }
        if options.no_wait {
            op = op.wait(Duration::ZERO);
        }
        if let Some(print) = options.fingerprint {
            op = op.fingerprint(print);
        }
        let op = op.unknown_err(BodyError::is_unknown);
        let this = self.clone();
        let ask = move || -> Asks {
            let this = this.clone();
            Box::pin(async move { this.asks(n, goes).await })
        };
        match (options.record_err, options.reconcile) {
            (false, false) => self.run(op, n, goes).await,
            (false, true) => self.run(op.reconcile(ask), n, goes).await,
            (true, false) => self.run(op.record_err(BodyError::is_final), n, goes).await,
            (true, true) => self.run(op.record_err(BodyError::is_final).reconcile(ask), n, goes).await,
        }
    }

    async fn run<P: Policy<Value, BodyError> + Clone>(&self, op: OperationBuilder<P>, n: u64, goes: Goes) -> Called {
        let (result, kind) = if goes.options.detached {
            let (op, this): (DetachedOperation<P>, _) = (op.detached(), self.clone());
            with_outcome(op.run(async move { this.body(n, goes).await })).await
        } else {
            with_outcome(op.run(self.body(n, goes))).await
        };
        let result = result.map(idem::Outcome::into_inner).map_err(|failed| match failed {
            CallError::Idem(error) => BodyError::Idem(error),
            CallError::Body(error) => error,
        });
        (result, kind)
    }

    /// The body: it leaves that it began, what it did, and that it ended.
    async fn body(&self, n: u64, goes: Goes) -> Result<Value, BodyError> {
        let (name, run, me) = (Function::of(n).name(), self.id(goes.call), current().unwrap());
        let (fence, attempt, ends) = (me.fencing_token(), me.attempt(), goes.ends);
        let began = now().as_micros();
        self.orders.note("bodies", format!("{name} {n} {run} {fence} {attempt} {began} {ends:?}"));
        let mut end = Ends { caller: self, run: &run, whole: false };
        let [before, after] = goes.takes;
        sleep(before).await;
        if matches!(ends, End::Well | End::Odd | End::Unknown) {
            self.orders.note("effects", format!("{name} {n} {run} {}", if ends == End::Odd { "~" } else { "" }));
        }
        sleep(after).await;
        end.whole = true;
        drop(end);
        match ends {
            End::Well => Ok(Value(run)),
            End::Odd => Ok(Value(format!("~{run}"))),
            End::Nothing => Err(BodyError::Nothing(run)),
            End::Unknown => Err(BodyError::Unknown(run)),
            End::Final => Err(BodyError::Final(run)),
        }
    }

    /// What became of an attempt before this one: that is in the effects.
    async fn asks(&self, n: u64, goes: Goes) -> Result<Option<Value>, BodyError> {
        let (name, call, me) = (Function::of(n).name(), self.id(goes.call), current().unwrap());
        let effect = if goes.call.is_multiple_of(5) {
            sleep(Duration::from_millis(10)).await;
            None
        } else {
            Some(self.orders.last_of("effects", &format!("{name} {n} ")))
        };
        let told = match &effect {
            Some(Some(run)) => run.split(' ').rev().collect(),
            Some(None) => "nothing".to_owned(),
            None => "unsure".to_owned(),
        };
        self.orders.note("asks", format!("{name} {n} {call} {} {told}", me.fencing_token()));
        match effect {
            Some(Some(_)) => Ok(Some(Value(told))),
            Some(None) => Ok(None),
            None => Err(BodyError::Unsure(call)),
        }
    }
}

/// Leaves when a body ended, also where it is dropped.
struct Ends<'a> {
    caller: &'a Caller,
    run: &'a str,
    whole: bool,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        let Self { caller, run, whole } = self;
        caller.orders.note("ends", format!("{run} {} {whole}", now().as_micros()));
    }
}
