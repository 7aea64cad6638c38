//! What is said of a call, before it is checked: the macro's options, and the builder's.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::Handle;
use crate::context::report;
use crate::engine::guard::peek;
use crate::engine::guard::{refuse, replay, Answer, Guard, Start};
use crate::engine::Settings;
use crate::error::{Error, InvalidKey};
use crate::fingerprint::{Fingerprint, Unserializable};
use crate::key::{IntoKey, Key};
use crate::operation::{Operation, Request};
use crate::record::Payload;
use crate::results::OutcomePolicy;

/// An operation's options. They are said one after another where they stay, for a replay is over before most is needed.
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) idem: Handle,
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
    pub(crate) const fn new(idem: Handle, name: Cow<'static, str>) -> Self {
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

    /// What identifies the operation.
    #[inline]
    pub fn key(&mut self, key: impl IntoKey) {
        self.key = Some(match key.as_key() {
            Some(key) => Key::new(&self.idem.engine.settings.namespace, &self.name, key).map(Some),
            None => Ok(None),
        });
    }

    /// The key of a record that was listed.
    pub(super) fn at(&mut self, key: &Key) {
        let prefix = Key::prefix(&self.idem.engine.settings.namespace, &self.name);
        let ours = key.as_bytes().starts_with(&prefix);
        self.key = Some(if ours { Ok(Some(key.clone())) } else { Err(InvalidKey::OfAnother) });
    }

    /// What the request looks like.
    pub fn fingerprint<T: Serialize + ?Sized>(&mut self, request: &T) {
        self.fingerprint = Some(Fingerprint::of(request));
    }

    /// How long the recorded result is replayed.
    pub const fn ttl(&mut self, ttl: Duration) {
        self.ttl = Some(ttl);
    }

    /// How long a silent owner keeps the key.
    pub const fn lease(&mut self, lease: Duration) {
        self.lease = Some(lease);
    }

    /// How long a duplicate waits for the running call.
    pub const fn wait(&mut self, wait: Duration) {
        self.wait = Some(wait);
    }

    /// An attempt whose outcome is unknown is the last one.
    pub const fn at_most_once(&mut self) {
        self.at_most_once = true;
    }

    /// The caller can find out what became of an attempt whose outcome is unknown.
    pub const fn reconciling(&mut self) {
        self.reconciling = true;
    }

    /// Looks for an answer that can be had at once, and prepares the call if there is none.
    ///
    /// What this and what it calls hands on is small: a replay would wait longer for what is moved than for its record.
    pub(crate) fn start(&self) -> Result<Start<'_>, Error> {
        let started = match self.at_hand() {
            Ok(Some((key, payload))) => return Ok(Start::Recorded(key, payload)),
            Ok(None) => self.guard().map(Start::Guarded),
            Err(error) => Err(error),
        };
        started.map_err(refuse)
    }

    /// The result that is at hand, before anything is made for a call that takes longer.
    fn at_hand(&self) -> Result<Option<(&Key, Payload)>, Error> {
        let engine = &self.idem.engine;
        if engine.settings.disabled {
            return Ok(None);
        }
        self.check()?;
        match &self.key {
            Some(Ok(Some(key))) => Ok(peek(engine, self.request(key))?.map(|payload| (key, payload))),
            _ => Ok(None),
        }
    }

    /// A call of `key`, answered with what was at hand.
    #[inline]
    pub(crate) fn replay<T, E>(&self, key: &Key, payload: &Payload, rules: &OutcomePolicy<T, E>) -> Answer<T, E> {
        replay(&self.idem.engine, self.request(key), payload, rules)
    }

    /// The call, prepared for what takes longer. What is wrong with it was found out before.
    fn guard(&self) -> Result<Guard, Error> {
        report(None);
        let engine = Arc::clone(&self.idem.engine);
        match self.made() {
            Some(op) if !engine.settings.disabled => Guard::new(engine, op),
            _ => Ok(Guard::unguarded(engine, self.name.clone())),
        }
    }

    fn request<'a>(&'a self, key: &'a Key) -> Request<'a> {
        let fingerprint = self.fingerprint.as_ref().and_then(|fingerprint| fingerprint.as_ref().ok());
        Request { name: &self.name, key, fingerprint }
    }

    /// Whether nothing is wrong with the call.
    fn check(&self) -> Result<(), Error> {
        let Self { idem, name, key, fingerprint, ttl, lease, .. } = self;
        let config = |reason: Cow<'static, str>| Err(Error::config(name.clone(), reason));
        let settings = &idem.engine.settings;
        match (key, fingerprint) {
            (Some(Ok(None)), _) => return Ok(()),
            (Some(Err(reason)), _) => return Err(Error::InvalidKey { operation: name.clone(), reason: *reason }),
            (None, _) => return config("the operation has no key: give it one with `key`".into()),
            _ if name.is_empty() => return config("the operation's name is empty".into()),
            (_, Some(Err(error))) => return config(format!("the fingerprint cannot be serialized: {error}").into()),
            _ => {}
        }
        Settings::check(ttl.unwrap_or(settings.ttl), lease.unwrap_or(settings.lease))
            .or_else(|reason| config(reason.into()))
    }

    /// The call as its options and the `Idem`'s defaults make it; `None` when there is no key.
    pub(super) fn build(&self) -> Result<Option<Operation>, Error> {
        self.check()?;
        Ok(self.made())
    }

    /// The same, once it was checked.
    fn made(&self) -> Option<Operation> {
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
            // A store that takes longer than the lease lives would lose every run it was asked about.
            store_timeout: settings.store_timeout.min(lease / 3),
        })
    }
}
