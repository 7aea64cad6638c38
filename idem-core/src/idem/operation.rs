//! Operations without the attribute.

use std::future::Future;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::Serialize;

use super::options::Options;
use super::policy::{Plain, Policy, Reconcile, RecordErr, RecordIf, UnknownErr};
use super::Scoped;
use crate::engine::guard::{report_answer, Answer, Start};
use crate::key::{IntoKey, Key};
use crate::outcome::{CallError, Outcome};
use crate::results::OutcomePolicy;
use crate::results::ResultCodec;

/// One operation, its key and its options; made by [`Idem::operation`](super::Idem::operation).
///
/// Every option of the attribute is a method of the same name. A key is required.
///
/// ```
/// use std::time::Duration;
///
/// use idem_core::{Idem, MokaStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), idem_core::CallError<String>> {
/// let idem = Idem::new(MokaStore::new());
/// let charge = idem
///     .operation("payments.charge")
///     .key(("acme", 17))
///     .fingerprint(&[("cents", 500)])
///     .ttl(Duration::from_secs(60 * 60))
///     .unknown_err(|error: &String| error == "time-out");
/// let receipt = charge.run(async { Ok("receipt".to_owned()) }).await?;
/// assert_eq!(receipt.into_inner(), "receipt");
/// assert_eq!(charge.inspect().await?.map(|record| record.attempt), Some(1));
/// # Ok(())
/// # }
/// ```
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
    /// Sets the idempotency key: text, an integer, a tuple, … (see [`KeyPart`](crate::KeyPart)). Required. `None` means "no
    /// key": the body runs unguarded.
    pub fn key(mut self, key: impl IntoKey) -> Self {
        self.options.key(key);
        self
    }

    /// Sets the key to that of a [`list`](Self::list)ed record, instead of [`key`](Self::key).
    pub fn at(mut self, key: &Key) -> Self {
        self.options.at(key);
        self
    }

    /// Sets the fingerprint of the request: the same key with another fingerprint is refused. Default: none, not compared.
    pub fn fingerprint<T: Serialize + ?Sized>(mut self, request: &T) -> Self {
        self.options.fingerprint(request);
        self
    }

    /// Sets how long the recorded result is replayed, counted from its recording. At least 1 ms. Default: the `Idem`'s (24 h).
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl(ttl);
        self
    }

    /// Sets the lease: how long an owner that does not renew keeps the key. At least 10 ms. Default: the `Idem`'s (15 s).
    ///
    /// One request to the store may take at most a third of the lease, even if this call only waits.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.options.lease(lease);
        self
    }

    /// Sets how long a duplicate waits for the running call before it gets
    /// [`Error::InProgress`](crate::Error::InProgress). Zero: it does not wait. Default: the `Idem`'s (25 s).
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.options.wait(wait);
        self
    }

    /// Forbids another attempt after one with an unknown outcome (dropped, panicked, killed), within the TTL: later calls get
    /// [`Error::Indeterminate`](crate::Error::Indeterminate). Once the record has expired, the operation may run again. After a
    /// known failure another attempt may run. Default: off.
    pub const fn at_most_once(mut self) -> Self {
        self.options.at_most_once();
        self
    }

    /// Sets which `Ok` values count as success and are recorded. The others reach their caller, and the operation may run again.
    /// Default: all.
    pub fn record_if<T>(self, record_if: fn(&T) -> bool) -> OperationBuilder<RecordIf<P, T>> {
        self.with_policy(|policy| RecordIf(policy, record_if))
    }

    /// Sets which errors are recorded and replayed. An error that came from this library is never recorded. Default: none.
    pub fn record_err<E>(self, record_err: fn(&E) -> bool) -> OperationBuilder<RecordErr<P, E>> {
        self.with_policy(|policy| RecordErr(policy, record_err))
    }

    /// Sets which errors mean that the effect may or may not have happened, such as a gateway's time-out. Default: none.
    pub fn unknown_err<E>(self, unknown_err: fn(&E) -> bool) -> OperationBuilder<UnknownErr<P, E>> {
        self.with_policy(|policy| UnknownErr(policy, unknown_err))
    }

    /// Sets a function that finds out the outcome of an earlier attempt. Default: none.
    ///
    /// If the outcome of an earlier attempt is unknown, the call awaits it under a fresh lease instead of the body. `Some` is
    /// that attempt's result: it is recorded and returned. `None` means that the attempt had no effect: the body runs. An
    /// error leaves the outcome unknown. With `reconcile`, `at_most_once` does not refuse the call.
    ///
    /// # Cancel safety
    /// If the call is dropped while it awaits the function, the outcome stays unknown.
    pub fn reconcile<R: Fn() -> F, F: Future>(mut self, reconcile: R) -> OperationBuilder<Reconcile<P, R>> {
        self.options.reconciling();
        self.with_policy(|policy| Reconcile(policy, reconcile))
    }

    fn with_policy<Q>(self, with: impl FnOnce(P) -> Q) -> OperationBuilder<Q> {
        OperationBuilder { policy: with(self.policy), options: self.options }
    }

    /// Runs the body and records its outcome in a task of its own, even if the caller's future is dropped.
    pub const fn detached(self) -> DetachedOperation<P> {
        DetachedOperation(self)
    }

    /// Runs `body`, or returns the result that is recorded for the key.
    ///
    /// # Errors
    /// [`CallError::Body`] is the body's error, unchanged. [`CallError::Idem`] says why this library has no result.
    ///
    /// # Panics
    /// When the body panics. The outcome then counts as unknown.
    ///
    /// # Cancel safety
    /// | dropped | then |
    /// |---|---|
    /// | before the body's first poll | the record is as it was before the call |
    /// | while the body runs | the body is dropped first; its outcome counts as unknown |
    /// | after the body has ended | the outcome is recorded in the background |
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
    match report_answer(answer)? {
        (Ok(value), kind) => Ok(Outcome::new(value, kind)),
        (Err(error), _) => Err(CallError::Body(error)),
    }
}

/// An operation that runs in a task of its own; made by [`OperationBuilder::detached`].
///
/// ```
/// use idem_core::{Idem, MokaStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), idem_core::CallError<String>> {
/// let idem = Idem::new(MokaStore::new());
/// let charge = idem.operation("payments.charge").key(7).detached();
/// assert_eq!(charge.run(async { Ok::<_, String>(500) }).await?.into_inner(), 500);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "an operation does nothing until it runs a body"]
pub struct DetachedOperation<P = Plain>(OperationBuilder<P>);

impl<P> DetachedOperation<P> {
    /// Runs `body` in a task of its own, or returns the result that is recorded for the key.
    ///
    /// # Errors
    /// Those of [`OperationBuilder::run`], and [`Error::Config`](crate::Error::Config) outside tokio without a
    /// [`spawner`](crate::Builder::spawner).
    ///
    /// # Panics
    /// When the body panics. The outcome then counts as unknown.
    ///
    /// # Cancel safety
    /// If the future is dropped before the claim is granted, the body does not run. Afterwards the body runs to its end and its
    /// outcome is recorded.
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
