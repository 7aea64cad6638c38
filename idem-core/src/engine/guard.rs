//! The typed side of a call: this module knows the types of the body and of its result, [`Call`] does not.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::call::{Acquired, Boxed, Call};
use super::Engine;
use crate::clock::timer_is_missing;
use crate::context::report;
use crate::error::Error;
use crate::key::Key;
use crate::operation::Operation;
use crate::outcome::Kind;
use crate::record::Payload;
use crate::results::OutcomePolicy;
use crate::telemetry::{self, CallOutcome};
use crate::transition::Ending;

/// A call that `Engine::peek` did not answer, or a call without a key, which runs unguarded.
///
/// Its drop ends the call in the store, however the call ended. It must be made before the body is pinned, so that a drop of
/// the call drops the body first.
pub struct Guard {
    pub(super) engine: Arc<Engine>,
    pub(super) name: Cow<'static, str>,
    /// `None` without a key.
    pub(super) call: Option<Box<Call>>,
}

/// The answer of a call: an outcome and its kind, or a refusal.
pub(crate) type Answer<T, E> = Result<Answered<T, E>, Error>;

/// The outcome of the body or a recorded one, and its kind.
pub(crate) type Answered<T, E> = (Result<T, E>, Kind);

/// How a call goes on after `Engine::peek`.
pub(crate) enum Start<'a> {
    /// The recorded result is in this process's memory.
    Recorded(&'a Key, Payload),
    Guarded(Guard),
}

/// Reports an answer to the `with_outcome`s around the call, or a refusal to the body around the call. Each answer passes here
/// once, in the task that polls the caller.
#[inline]
pub(crate) fn report_answer<T, E>(answer: Answer<T, E>) -> Answer<T, E> {
    match &answer {
        Ok((_, kind)) => report(Some(*kind)),
        Err(_) => crate::context::note_refusal(),
    }
    answer
}

/// Refuses a call before its first request to the store.
pub(crate) fn refuse(error: Error) -> Error {
    // Clears what an earlier call reported.
    report(None);
    telemetry::report_refusal(&error);
    error
}

impl Guard {
    /// Prepares a call with a key that `Engine::peek` did not answer.
    pub(crate) fn new(engine: Arc<Engine>, op: Operation) -> Result<Self, Error> {
        if timer_is_missing() {
            return Err(Error::config(op.name, "this tokio runtime has no timers: build it with `enable_time`"));
        }
        let (name, call) = (op.name.clone(), Call::new(Arc::clone(&engine), op));
        Ok(Self { engine, name, call: Some(Box::new(call)) })
    }

    /// A call without a key.
    pub(crate) const fn unguarded(engine: Arc<Engine>, name: Cow<'static, str>) -> Self {
        Self { engine, name, call: None }
    }

    /// Runs the call, from its claim to its record.
    pub(crate) async fn execute<F, T, E>(&mut self, policy: &OutcomePolicy<T, E>, body: Pin<&mut F>) -> Answer<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        // Not a `match`, because that keeps room for the answer in the future while the body runs.
        if let Some(answer) = self.begin(policy).await? {
            return Ok(answer);
        }
        Ok(self.run(policy, body).await)
    }

    /// The first half of the call, up to the grant. Returns an answer, or `None` if the body must run.
    pub(crate) async fn begin<T, E>(&mut self, policy: &OutcomePolicy<T, E>) -> Result<Option<Answered<T, E>>, Error> {
        let Some(call) = &mut self.call else {
            return Ok(None);
        };
        let acquired: Boxed<'_, _> = Box::pin(call.begin());
        let begun = acquired.await.and_then(|acquired| match acquired {
            Acquired::Granted | Acquired::Unguarded => Ok(None),
            Acquired::Recorded(payload, kind) => {
                Ok(Some((call.engine.decode(call.op.request(), policy, &payload)?, kind)))
            }
        });
        match &begun {
            Ok(Some((_, kind))) => call.span.outcome(CallOutcome::Answered(*kind)),
            Err(error) => call.span.refused(error),
            Ok(None) => {}
        }
        begun
    }

    /// The first half of a call with `reconcile`. Returns an answer, or `None` if the body must run. Calls `reconcile` only if
    /// the outcome of the attempt before is unknown.
    pub(crate) async fn begin_reconciling<F, T, E>(
        &mut self,
        policy: &OutcomePolicy<T, E>,
        reconcile: impl FnOnce() -> Option<F>,
    ) -> Result<Option<Answered<T, E>>, Error>
    where
        F: Future<Output = Result<Option<T>, E>>,
    {
        if let Some(answer) = self.begin(policy).await? {
            return Ok(Some(answer));
        }
        let must_reconcile = self.call.as_ref().is_some_and(|call| call.must_reconcile());
        match must_reconcile.then(reconcile).flatten() {
            // Boxed because it is rare and would enlarge the future of every call with `reconcile`.
            Some(reconcile) => Box::pin(self.reconcile(policy, Box::pin(reconcile))).await,
            None => Ok(None),
        }
    }

    /// Runs `reconcile`, which finds out the outcome of the attempt before. The body has not begun, so an error or a drop
    /// withdraws the claim, and that outcome stays unknown.
    async fn reconcile<F, T, E>(
        &mut self,
        policy: &OutcomePolicy<T, E>,
        mut reconcile: Pin<Box<F>>,
    ) -> Result<Option<Answered<T, E>>, Error>
    where
        F: Future<Output = Result<Option<T>, E>>,
    {
        let Some(call) = &mut self.call else {
            return Ok(None);
        };
        let answer = match call.poll_part(reconcile.as_mut()).await {
            Ok(Some(value)) => {
                let completion = policy.codec.record(&value, call.engine.encoding(&call.op.key));
                call.body_ended(Ending::Completed(completion));
                Ok(value)
            }
            Err(error) => {
                call.body_ended(Ending::Withdrawn);
                Err(error)
            }
            Ok(None) => {
                call.run.clear_refusal();
                drop(reconcile);
                // The effect did not happen. If the lease expired meanwhile, another call may have run since then: `resume`
                // checks that.
                return self.resume(policy).await;
            }
        };
        // After `body_ended`, because the drop may panic, and the outcome must be kept. Test:
        // `a_reconcile_that_panics_in_its_drop_does_not_undo_what_it_found`.
        drop(reconcile);
        let recorded: Boxed<'_, _> = Box::pin(call.record_for_caller());
        let theirs = recorded.await;
        Ok(Some(call.answer(policy, theirs, answer, Kind::Reconciled)))
    }

    /// Runs the first half again, if the lease has expired before the body began.
    pub(super) async fn resume<T, E>(&mut self, policy: &OutcomePolicy<T, E>) -> Result<Option<Answered<T, E>>, Error> {
        let fence = match &self.call {
            Some(call) if call.lease_expired_before_body() => call.phase.lease().map(|lease| lease.fence),
            _ => return Ok(None),
        };
        let answer = self.begin(policy).await?;
        match &mut self.call {
            // In this order: the lease expired; another call claimed, and its outcome is unknown; this call claimed again.
            // `reconcile` did not answer about that other attempt, so this call is refused, and the next call reconciles. Test:
            // `a_detached_body_that_begins_after_a_takeover_is_not_run_before_reconcile`.
            Some(call) if call.must_reconcile() && call.phase.lease().map(|lease| lease.fence) != fence => {
                let error = call.op.in_progress(Duration::ZERO, call.op.lease);
                call.span.refused(&error);
                Err(error)
            }
            _ => Ok(answer),
        }
    }

    /// The second half: the body and its record.
    pub(crate) async fn run<F, T, E>(&mut self, policy: &OutcomePolicy<T, E>, body: Pin<&mut F>) -> Answered<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let Some(call) = &mut self.call else {
            let _under_way = self.engine.calls.enter_unguarded();
            self.engine.count_unguarded_run();
            telemetry::call_outcome(&self.name, CallOutcome::Answered(Kind::Unguarded));
            return (body.await, Kind::Unguarded);
        };
        let outcome = call.run_body(body).await;
        let is_unguarded = call.phase.is_unguarded();
        call.body_ended(policy.ending(&outcome, call.run.was_refused(), call.engine.encoding(&call.op.key)));
        if is_unguarded {
            // The store did not answer the claim, so the caller does not wait for it again. The drop of this guard records a
            // success in the background.
            call.span.outcome(CallOutcome::Answered(Kind::Unguarded));
            return (outcome, Kind::Unguarded);
        }
        let recorded: Boxed<'_, _> = Box::pin(call.record_for_caller());
        let theirs = recorded.await;
        call.answer(policy, theirs, outcome, Kind::Executed)
    }
}

impl Call {
    /// What the caller gets: the result that another call recorded, if there is one, otherwise this call's own outcome.
    fn answer<T, E>(
        &mut self,
        policy: &OutcomePolicy<T, E>,
        theirs: Option<Payload>,
        own: Result<T, E>,
        kind: Kind,
    ) -> Answered<T, E> {
        let theirs = theirs.map(|theirs| policy.replay(&theirs, self.engine.encoding(&self.op.key)));
        let (outcome, kind, reported) = match theirs {
            Some(Ok(recorded)) => (recorded, Kind::Replayed, CallOutcome::Answered(Kind::Replayed)),
            _ if own.is_ok() => (own, kind, CallOutcome::Answered(kind)),
            _ => (own, kind, CallOutcome::Failed),
        };
        self.span.outcome(reported);
        (outcome, kind)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({})", self.name)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            call.dropped();
        }
    }
}
