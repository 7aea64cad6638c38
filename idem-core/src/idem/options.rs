//! The options of a call, as the attribute and the builder set them.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::IdemRef;
use crate::context::report;
use crate::engine::guard::{refuse, Answer, Guard, Start};
use crate::engine::Settings;
use crate::error::{Error, InvalidKey};
use crate::fingerprint::{Fingerprint, Unserializable};
use crate::key::{IntoKey, Key};
use crate::operation::{Operation, Request};
use crate::outcome::Kind;
use crate::record::Payload;
use crate::results::OutcomePolicy;
use crate::telemetry::{self, CallOutcome};

/// An operation's options. The setters change them in place, because moving them costs more than the rest of a replay from
/// memory.
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) idem: IdemRef,
    pub(super) name: Cow<'static, str>,
    key: Option<Result<Option<Key>, InvalidKey>>,
    fingerprint: Option<Result<Fingerprint, Unserializable>>,
    ttl: Option<Duration>,
    lease: Option<Duration>,
    wait: Option<Duration>,
    at_most_once: bool,
    reconciling: bool,
}

impl Options {
    pub(crate) const fn new(idem: IdemRef, name: Cow<'static, str>) -> Self {
        Self {
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

    /// Sets the idempotency key.
    #[inline]
    pub fn key(&mut self, key: impl IntoKey) {
        self.key = Some(match key.as_key() {
            Some(key) => Key::new(&self.idem.engine.settings.namespace, &self.name, key).map(Some),
            None => Ok(None),
        });
    }

    /// Sets the key to that of a listed record.
    pub(super) fn at(&mut self, key: &Key) {
        let prefix = Key::prefix(&self.idem.engine.settings.namespace, &self.name);
        let ours = key.as_bytes().starts_with(&prefix);
        self.key = Some(if ours { Ok(Some(key.clone())) } else { Err(InvalidKey::OfAnother) });
    }

    /// Sets the fingerprint of the request.
    pub fn fingerprint<T: Serialize + ?Sized>(&mut self, request: &T) {
        self.fingerprint = Some(Fingerprint::of(request));
    }

    /// Sets how long the recorded result is replayed.
    pub const fn ttl(&mut self, ttl: Duration) {
        self.ttl = Some(ttl);
    }

    /// Sets how long an owner that does not renew keeps the key.
    pub const fn lease(&mut self, lease: Duration) {
        self.lease = Some(lease);
    }

    /// Sets how long a duplicate waits for the running call.
    pub const fn wait(&mut self, wait: Duration) {
        self.wait = Some(wait);
    }

    /// Forbids another attempt after one with an unknown outcome.
    pub const fn at_most_once(&mut self) {
        self.at_most_once = true;
    }

    /// Notes that the caller has `reconcile`.
    pub const fn reconciling(&mut self) {
        self.reconciling = true;
    }

    /// Returns the result if it is in memory, otherwise prepares the call.
    ///
    /// This function and those it calls return small values, because moving large ones would take longer than the replay.
    pub(crate) fn start(&self) -> Result<Start<'_>, Error> {
        let started = match self.peek() {
            Ok(Some((key, payload))) => return Ok(Start::Recorded(key, payload)),
            Ok(None) => self.guard().map(Start::Guarded),
            Err(error) => Err(error),
        };
        started.map_err(refuse)
    }

    /// The result that is in memory, found before anything is allocated for the call.
    fn peek(&self) -> Result<Option<(&Key, Payload)>, Error> {
        let engine = &self.idem.engine;
        if engine.settings.disabled {
            return Ok(None);
        }
        self.check()?;
        match &self.key {
            Some(Ok(Some(key))) => Ok(engine.peek(self.request(key))?.map(|payload| (key, payload))),
            _ => Ok(None),
        }
    }

    /// Answers a call of `key` with a result that was in memory.
    #[inline]
    pub(crate) fn replay<T, E>(&self, key: &Key, payload: &Payload, policy: &OutcomePolicy<T, E>) -> Answer<T, E> {
        self.idem.engine.replay(self.request(key), payload, policy)
    }

    /// Reports a replay of a value from memory to telemetry and to `with_outcome`.
    pub(crate) fn replayed(&self) {
        telemetry::call_outcome(&self.name, CallOutcome::Answered(Kind::Replayed));
        report(Some(Kind::Replayed));
    }

    /// Prepares the call for the store. The options were checked before.
    fn guard(&self) -> Result<Guard, Error> {
        report(None);
        let engine = Arc::clone(&self.idem.engine);
        match self.build_checked() {
            Some(op) if !engine.settings.disabled => Guard::new(engine, op),
            _ => Ok(Guard::unguarded(engine, self.name.clone())),
        }
    }

    fn request<'a>(&'a self, key: &'a Key) -> Request<'a> {
        let fingerprint = self.fingerprint.as_ref().and_then(|fingerprint| fingerprint.as_ref().ok());
        Request { name: &self.name, key, fingerprint }
    }

    /// Fails when an option is invalid.
    fn check(&self) -> Result<(), Error> {
        let Self { idem, name, key, fingerprint, ttl, lease, .. } = self;
        let config = |reason: Cow<'static, str>| Err(Error::config(name.clone(), reason));
        let settings = &idem.engine.settings;
        match (key, fingerprint) {
            (Some(Ok(None)), _) => return Ok(()),
            (Some(Err(reason)), _) => return Err(Error::InvalidKey { operation: name.clone(), reason: *reason }),
            (None, _) => return config("the operation has no key: set one with `key`".into()),
            _ if name.is_empty() => return config("the operation's name is empty".into()),
            (_, Some(Err(error))) => return config(format!("the fingerprint cannot be serialized: {error}").into()),
            _ => {}
        }
        Settings::check(ttl.unwrap_or(settings.ttl), lease.unwrap_or(settings.lease))
            .or_else(|reason| config(reason.into()))
    }

    /// Checks the options and completes them with the `Idem`'s defaults. `None` when the key is `None`.
    pub(super) fn build(&self) -> Result<Option<Operation>, Error> {
        self.check()?;
        Ok(self.build_checked())
    }

    /// [`build`](Self::build) of options that were checked.
    fn build_checked(&self) -> Option<Operation> {
        let settings = &self.idem.engine.settings;
        let lease = self.lease.unwrap_or(settings.lease);
        Some(Operation {
            name: self.name.clone(),
            key: self.key.as_ref()?.as_ref().ok()?.clone()?,
            fingerprint: self.fingerprint.as_ref().and_then(|fingerprint| fingerprint.as_ref().ok()).copied(),
            ttl: self.ttl.unwrap_or(settings.ttl),
            lease,
            wait: self.wait.unwrap_or(settings.wait),
            at_most_once: self.at_most_once,
            reconciling: self.reconciling,
            // A third of the lease: a renewal that takes longer than the lease would lose it.
            store_timeout: settings.store_timeout.min(lease / 3),
        })
    }
}
