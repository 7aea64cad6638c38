//! An operation without the macro.

use std::future::Future;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::Serialize;

use super::options::Options;
use super::policy::{Plain, Policy, Reconcile, RecordErr, RecordIf, UnknownErr};
use super::Scoped;
use crate::engine::guard::{told, Answer, Start};
use crate::key::{IntoKey, Key};
use crate::outcome::{CallError, Outcome};
use crate::results::OutcomePolicy;
use crate::results::ResultCodec;

/// One operation and its key; made by [`Idem::operation`](super::Idem::operation).
///
/// Every option of the macro is a method of the same name.
#[derive(Debug, Clone)]
#[must_use = "an operation does nothing until it runs a body"]
pub struct OperationBuilder<P = Plain> {
    policy: P,
    pub(super) options: Options,
}

impl OperationBuilder {
    pub(super) const fn new(options: Options) -> Self {
        Self { policy: Plain, options }
    }
}

impl<P> OperationBuilder<P> {
    /// What identifies the operation: text, an integer, a tuple, … (see [`KeyPart`](crate::KeyPart)). `None` means "no key":
    /// the body runs unguarded. Required.
    pub fn key(mut self, key: impl IntoKey) -> Self {
        self.options.key(key);
        self
    }

    /// The key of a record that was [`list`](Self::list)ed, in place of [`key`](Self::key).
    pub fn at(mut self, key: &Key) -> Self {
        self.options.at(key);
        self
    }

    /// What the request looks like: the same key with another fingerprint is refused. Default: not compared.
    pub fn fingerprint<T: Serialize + ?Sized>(mut self, request: &T) -> Self {
        self.options.fingerprint(request);
        self
    }

    /// How long the recorded result is replayed, counted from its recording. Default: the `Idem`'s.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl(ttl);
        self
    }

    /// How long a silent owner keeps the key; renewed while the body runs. The store is given no more than a third of it for an
    /// answer, also where this call only waits. Default: the `Idem`'s.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.options.lease(lease);
        self
    }

    /// How long a duplicate waits for the running call; zero refuses at once. Default: the `Idem`'s.
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.options.wait(wait);
        self
    }

    /// After an attempt whose outcome is unknown (dropped, panicked, killed), never runs again: later calls get
    /// [`Error::Indeterminate`](crate::Error::Indeterminate). An attempt that is known to have failed may be followed by another. Default: off.
    pub const fn at_most_once(mut self) -> Self {
        self.options.at_most_once();
        self
    }

    /// Which values count as success and are recorded; the others reach their caller, and the key is free again. Default: all.
    pub fn record_if<T>(self, record_if: fn(&T) -> bool) -> OperationBuilder<RecordIf<P, T>> {
        self.with_policy(|policy| RecordIf(policy, record_if))
    }

    /// Which errors are recorded and replayed. An error that came from this library never is. Default: none.
    pub fn record_err<E>(self, record_err: fn(&E) -> bool) -> OperationBuilder<RecordErr<P, E>> {
        self.with_policy(|policy| RecordErr(policy, record_err))
    }

    /// Which errors leave it open whether the effect happened, such as a gateway's time-out. Default: none.
    pub fn unknown_err<E>(self, unknown_err: fn(&E) -> bool) -> OperationBuilder<UnknownErr<P, E>> {
        self.with_policy(|policy| UnknownErr(policy, unknown_err))
    }

    /// How to find out what became of an attempt whose outcome is unknown: asked under a fresh lease in place of the body.
    /// `Some` is the attempt's result, which is recorded and answered; `None` says that it did not happen, and runs the body;
    /// an error leaves the outcome unknown. With this, `at_most_once` does not refuse: it asks. Default: none.
    ///
    /// # Cancellation
    /// Dropped while it is asked, the outcome stays unknown.
    pub fn reconcile<R: Fn() -> F, F: Future>(mut self, reconcile: R) -> OperationBuilder<Reconcile<P, R>> {
        self.options.reconciling();
        self.with_policy(|policy| Reconcile(policy, reconcile))
    }

    fn with_policy<Q>(self, with: impl FnOnce(P) -> Q) -> OperationBuilder<Q> {
        OperationBuilder { policy: with(self.policy), options: self.options }
    }

    /// Runs body and record to their end even when the caller's future is dropped.
    pub const fn detached(self) -> DetachedOperation<P> {
        DetachedOperation(self)
    }

    /// Runs `body`, or answers with the result that was recorded for the key.
    ///
    /// # Errors
    /// [`CallError::Body`] is the body's own error, unchanged. [`CallError::Idem`] means that the body did not run in this call, and
    /// why.
    ///
    /// # Cancellation
    /// Dropped before the body's first poll, the key is free again. Dropped while the body runs, the body is dropped first and
    /// its outcome counts as unknown. Dropped after the body has ended, the record is written in the background.
    pub fn run<F, T, E>(&self, body: F) -> impl Future<Output = Result<Outcome<T>, CallError<E>>>
    where
        F: Future<Output = Result<T, E>>,
        T: Serialize + DeserializeOwned,
        P: Policy<T, E> + Clone,
    {
        let Self { policy, options } = self.clone();
        async move {
            let rules = policy.rules(OutcomePolicy::new(ResultCodec::decoding()));
            let mut guard = match options.start() {
                Ok(Start::Recorded(key, payload)) => return outcome(options.replay(key, &payload, &rules)),
                Ok(Start::Guarded(guard)) => guard,
                Err(error) => return outcome(Err(error)),
            };
            let mut body = Box::pin(body);
            match guard.begin_reconciling(&rules, || policy.reconcile()).await.transpose() {
                Some(answer) => outcome(answer),
                None => outcome(Ok(guard.run(&rules, body.as_mut()).await)),
            }
        }
    }
}

fn outcome<T, E>(answer: Answer<T, E>) -> Result<Outcome<T>, CallError<E>> {
    match told(answer)? {
        (Ok(value), kind) => Ok(Outcome::new(value, kind)),
        (Err(error), _) => Err(CallError::Body(error)),
    }
}

/// An operation whose body runs to its end even when the caller's future is dropped; made by
/// [`OperationBuilder::detached`].
#[derive(Debug, Clone)]
#[must_use = "an operation does nothing until it runs a body"]
pub struct DetachedOperation<P = Plain>(OperationBuilder<P>);

impl<P> DetachedOperation<P> {
    /// Runs `body` in a task of its own, or answers with the result that was recorded for the key.
    ///
    /// # Errors
    /// As [`OperationBuilder::run`]; and [`Error::Config`](crate::Error::Config) where there is nothing to spawn on.
    ///
    /// # Cancellation
    /// Dropped before the key was granted, nothing runs. From then on body and record go on to their end without the caller.
    pub fn run<F, T, E>(&self, body: F) -> impl Future<Output = Result<Outcome<T>, CallError<E>>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
        P: Policy<T, E> + Clone,
    {
        let OperationBuilder { policy, options } = self.0.clone();
        async move {
            let rules = policy.rules(OutcomePolicy::new(ResultCodec::decoding()));
            let mut guard = match options.start() {
                Ok(Start::Recorded(key, payload)) => return outcome(options.replay(key, &payload, &rules)),
                Ok(Start::Guarded(guard)) => guard,
                Err(error) => return outcome(Err(error)),
            };
            if let Err(error) = guard.can_detach() {
                return outcome(Err(error));
            }
            match guard.begin_reconciling(&rules, || policy.reconcile()).await.transpose() {
                Some(answer) => outcome(answer),
                None => outcome(guard.run_detached(rules, Box::pin(Scoped::inherit(body))).await),
            }
        }
    }
}
