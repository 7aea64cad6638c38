//! An operation without the macro, and what the macro itself is written on.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::Serialize;

use super::policy::{Plain, Policy, Reconcile, RecordErr, RecordIf, UnknownErr};
use super::{Handle, Scoped};
use crate::context::report;
use crate::engine::guard::{at_once, told, Answer, Guard, Started};
use crate::engine::observe;
use crate::engine::replay::Replay;
use crate::engine::rules::Rules;
use crate::engine::Settings;
use crate::error::{Error, InvalidKey};
use crate::fingerprint::{Fingerprint, Unserializable};
use crate::key::{IntoKey, Key};
use crate::operation::{Operation, Request};
use crate::outcome::{Failed, Kind, Outcome};

/// One operation and its key; made by [`Idem::operation`](super::Idem::operation).
///
/// Every option of the macro is a method of the same name.
#[derive(Debug, Clone)]
#[must_use = "an operation does nothing until it runs a body"]
pub struct OperationBuilder<P = Plain> {
    policy: P,
    pub(super) idem: Handle,
    pub(super) name: Cow<'static, str>,
    key: Option<Result<Option<Key>, InvalidKey>>,
    fingerprint: Option<Result<Fingerprint, Unserializable>>,
    ttl: Option<Duration>,
    lease: Option<Duration>,
    wait: Option<Duration>,
    at_most_once: bool,
    pub(crate) reconciling: bool,
}

impl OperationBuilder {
    pub(crate) const fn new(idem: Handle, name: Cow<'static, str>) -> Self {
        Self {
            policy: Plain,
            idem,
            name,
            key: None,
            fingerprint: None,
            ttl: None,
            lease: None,
            wait: None,
            at_most_once: false,
            reconciling: false,
        }
    }
}

impl<P> OperationBuilder<P> {
    /// What identifies the operation: text, an integer, a tuple, … (see [`KeyPart`](crate::KeyPart)). `None` means "no key":
    /// the body runs unguarded. Required.
    #[inline]
    pub fn key(mut self, key: impl IntoKey) -> Self {
        let key = key.as_key().map(|key| Key::new(&self.idem.engine.settings.namespace, &self.name, key));
        self.key = Some(key.transpose());
        self
    }

    /// The key of a record that was [`list`](Self::list)ed, in place of [`key`](Self::key).
    pub fn at(mut self, key: &Key) -> Self {
        let prefix = Key::prefix(&self.idem.engine.settings.namespace, &self.name);
        let ours = key.as_bytes().starts_with(&prefix);
        self.key = Some(if ours { Ok(Some(key.clone())) } else { Err(InvalidKey::OfAnother) });
        self
    }

    /// What the request looks like: the same key with another fingerprint is refused. Default: not compared.
    pub fn fingerprint<T: Serialize + ?Sized>(mut self, request: &T) -> Self {
        self.fingerprint = Some(Fingerprint::of(request));
        self
    }

    /// How long the recorded result is replayed, counted from its recording. Default: the `Idem`'s.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long a silent owner keeps the key; renewed while the body runs. The store is given no more than a third of it for an
    /// answer, also where this call only waits. Default: the `Idem`'s.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// How long a duplicate waits for the running call; zero refuses at once. Default: the `Idem`'s.
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// After an attempt whose outcome is unknown (dropped, panicked, killed), never runs again: later calls get
    /// [`Error::Indeterminate`]. An attempt that is known to have failed may be followed by another. Default: off.
    pub const fn at_most_once(mut self) -> Self {
        self.at_most_once = true;
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
    pub fn reconcile<R: Fn() -> F, F: Future>(self, reconcile: R) -> OperationBuilder<Reconcile<P, R>> {
        OperationBuilder { reconciling: true, ..self.with_policy(|policy| Reconcile(policy, reconcile)) }
    }

    /// The same without the future, for the macro, which brings its own.
    #[doc(hidden)]
    pub const fn reconciling(mut self) -> Self {
        self.reconciling = true;
        self
    }

    fn with_policy<Q>(self, with: impl FnOnce(P) -> Q) -> OperationBuilder<Q> {
        let Self { policy, idem, name, key, fingerprint, ttl, lease, wait, at_most_once, reconciling } = self;
        let policy = with(policy);
        OperationBuilder { policy, idem, name, key, fingerprint, ttl, lease, wait, at_most_once, reconciling }
    }

    /// Runs body and record to their end even when the caller's future is dropped.
    pub const fn detached(self) -> DetachedOperation<P> {
        DetachedOperation(self)
    }

    /// Runs `body`, or answers with the result that was recorded for the key.
    ///
    /// # Errors
    /// [`Failed::Body`] is the body's own error, unchanged. [`Failed::Idem`] means that the body did not run in this call, and
    /// why.
    ///
    /// # Cancellation
    /// Dropped before the body's first poll, the key is free again. Dropped while the body runs, the body is dropped first and
    /// its outcome counts as unknown. Dropped after the body has ended, the record is written in the background.
    pub fn run<F, T, E>(&self, body: F) -> impl Future<Output = Result<Outcome<T>, Failed<E>>>
    where
        F: Future<Output = Result<T, E>>,
        T: Serialize + DeserializeOwned,
        P: Policy<T, E> + Clone,
    {
        let (this, policy) = (self.clone(), self.policy.clone());
        async move {
            let rules = policy.rules(Rules::new(Replay::decoding()));
            let mut guard = match start(Ok(this), &rules) {
                Ok(Started::Answered(recorded)) => return outcome(Ok((recorded, Kind::Replayed))),
                Ok(Started::Guarded(guard)) => guard,
                Err(error) => return outcome(Err(error)),
            };
            let mut body = Box::pin(body);
            match guard.begin_reconciling(&rules, || policy.reconcile()).await.transpose() {
                Some(answer) => outcome(answer),
                None => outcome(Ok(guard.run(&rules, body.as_mut()).await)),
            }
        }
    }

    /// The answer that is at hand, before anything is made for a call that takes longer.
    fn at_once<T, E>(&self, rules: &Rules<T, E>) -> Result<Option<Result<T, E>>, Error> {
        let engine = &self.idem.engine;
        if engine.settings.disabled {
            return Ok(None);
        }
        self.check()?.map_or(Ok(None), |request| at_once(engine, request, rules))
    }

    /// The call, prepared for what takes longer. What is wrong with it was found out before.
    fn guard(self) -> Result<Guard, Error> {
        report(None);
        let engine = Arc::clone(&self.idem.engine);
        let name = self.name.clone();
        match self.made() {
            Some(op) if !engine.settings.disabled => Guard::new(engine, op),
            _ => Ok(Guard::unguarded(engine, name)),
        }
    }

    /// What identifies the call, if nothing is wrong with it; `None` when there is no key.
    fn check(&self) -> Result<Option<Request<'_>>, Error> {
        let Self { idem, name, key, fingerprint, ttl, lease, .. } = self;
        let config = |reason: Cow<'static, str>| Error::config(name.clone(), reason);
        let key = match key {
            Some(Ok(Some(key))) => key,
            Some(Ok(None)) => return Ok(None),
            Some(Err(reason)) => return Err(Error::InvalidKey { operation: name.clone(), reason: *reason }),
            None => return Err(config("the operation has no key: give it one with `key`".into())),
        };
        if name.is_empty() {
            return Err(config("the operation's name is empty".into()));
        }
        let fingerprint = match fingerprint {
            Some(Err(error)) => return Err(config(format!("the fingerprint cannot be serialized: {error}").into())),
            Some(Ok(fingerprint)) => Some(fingerprint),
            None => None,
        };
        let settings = &idem.engine.settings;
        Settings::check(ttl.unwrap_or(settings.ttl), lease.unwrap_or(settings.lease))
            .map_err(|reason| config(reason.into()))?;
        Ok(Some(Request { name, key, fingerprint }))
    }

    /// The call as its options and the `Idem`'s defaults make it; `None` when there is no key.
    pub(super) fn build(self) -> Result<Option<Operation>, Error> {
        self.check()?;
        Ok(self.made())
    }

    /// The same, once it was checked.
    fn made(self) -> Option<Operation> {
        let Self { policy: _, idem, name, key, fingerprint, ttl, lease, wait, at_most_once, reconciling } = self;
        let settings = &idem.engine.settings;
        let lease = lease.unwrap_or(settings.lease);
        Some(Operation {
            name,
            key: key?.ok()??,
            fingerprint: fingerprint.and_then(Result::ok),
            ttl: ttl.unwrap_or(settings.ttl),
            lease,
            wait: wait.unwrap_or(settings.wait),
            at_most_once,
            reconciling,
            // A store that takes longer than the lease lives would lose every run it was asked about.
            store_timeout: settings.store_timeout.min(lease / 3),
        })
    }
}

/// Looks for an answer that can be had at once, and prepares the call if there is none.
pub(crate) fn start<P, T, E>(
    operation: Result<OperationBuilder<P>, Error>,
    rules: &Rules<T, E>,
) -> Result<Started<T, E>, Error> {
    // By reference: most of an operation is only needed where nothing is at hand.
    let at_once = operation.as_ref().map_or(Ok(None), |operation| operation.at_once(rules));
    let started = match at_once {
        Ok(Some(recorded)) => return Ok(Started::Answered(recorded)),
        Ok(None) => operation.and_then(OperationBuilder::guard).map(Started::Guarded),
        Err(error) => Err(error),
    };
    started.inspect_err(|error| {
        // Whatever was told before is of another call.
        report(None);
        observe::refused(error);
    })
}

fn outcome<T, E>(answer: Answer<T, E>) -> Result<Outcome<T>, Failed<E>> {
    match told(answer)? {
        (Ok(value), kind) => Ok(Outcome::new(value, kind)),
        (Err(error), _) => Err(Failed::Body(error)),
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
    /// As [`OperationBuilder::run`]; and [`Error::Config`] where there is nothing to spawn on.
    ///
    /// # Cancellation
    /// Dropped before the key was granted, nothing runs. From then on body and record go on to their end without the caller.
    pub fn run<F, T, E>(&self, body: F) -> impl Future<Output = Result<Outcome<T>, Failed<E>>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
        P: Policy<T, E> + Clone,
    {
        let (this, policy) = (self.0.clone(), self.0.policy.clone());
        async move {
            let rules = policy.rules(Rules::new(Replay::decoding()));
            let mut guard = match start(Ok(this), &rules) {
                Ok(Started::Answered(recorded)) => return outcome(Ok((recorded, Kind::Replayed))),
                Ok(Started::Guarded(guard)) => guard,
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
