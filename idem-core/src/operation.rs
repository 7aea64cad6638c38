//! One call's request, and the call sites that define operations.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::error::{Error, StoreError};
use crate::fingerprint::Fingerprint;
use crate::key::Key;

/// One guarded call: its options, with the `Idem`'s defaults for those that were not set.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) name: Cow<'static, str>,
    pub(crate) key: Key,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) ttl: Duration,
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
    /// Whether an attempt with an unknown outcome forbids another one.
    pub(crate) at_most_once: bool,
    /// Whether the caller gave `reconcile`, which finds out an unknown outcome.
    pub(crate) reconciling: bool,
    /// How long one request to the store may take.
    pub(crate) store_timeout: Duration,
}

/// What identifies a call: operation, key and fingerprint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) name: &'a Cow<'static, str>,
    pub(crate) key: &'a Key,
    pub(crate) fingerprint: Option<&'a Fingerprint>,
}

impl Operation {
    pub(crate) const fn request(&self) -> Request<'_> {
        Request { name: &self.name, key: &self.key, fingerprint: self.fingerprint.as_ref() }
    }

    pub(crate) fn is_same_request(&self, fingerprint: Option<&Fingerprint>) -> bool {
        Fingerprint::same_request(self.fingerprint.as_ref(), fingerprint)
    }

    pub(crate) fn in_progress(&self, age: Duration, lease_left: Duration) -> Error {
        // Half the run's age: a client notices the end of a short run soon, and rarely asks about a long one.
        let retry_after = (age / 2).max(Duration::from_secs(1)).min(lease_left);
        Error::InProgress { operation: self.name.clone(), retry_after }
    }

    pub(crate) fn key_reused(&self) -> Error {
        Error::KeyReused { operation: self.name.clone() }
    }

    pub(crate) fn indeterminate(&self, attempt: u32) -> Error {
        Error::Indeterminate { operation: self.name.clone(), attempt }
    }

    pub(crate) fn shutting_down(&self) -> Error {
        Error::ShuttingDown { operation: self.name.clone() }
    }

    pub(crate) fn store(&self, source: StoreError) -> Error {
        if source.is_unreadable() {
            return Error::Decode { operation: self.name.clone(), source: source.into() };
        }
        Error::Store { operation: self.name.clone(), source }
    }
}

/// One function with `#[idempotent]`. Two functions with the same name are an error, because they would share records.
#[derive(Debug)]
pub struct Site {
    name: &'static str,
    file: &'static str,
    line: u32,
    /// Set by the first call: the other site that already has this name, or `None`.
    taken_by: OnceLock<Option<&'static Site>>,
}

static SITES: Mutex<BTreeMap<&'static str, &'static Site>> = Mutex::new(BTreeMap::new());

impl Site {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, file: &'static str, line: u32) -> Self {
        Self { name, file, line, taken_by: OnceLock::new() }
    }

    /// The operation's name. Fails when another site has the same name.
    pub(crate) fn name(&'static self) -> Result<&'static str, Error> {
        match self.taken_by.get_or_init(|| self.register()) {
            None => Ok(self.name),
            Some(other) => Err(Error::config(
                self.name,
                format!("two operations have this name, at {other} and at {self}: give one of them another `name`"),
            )),
        }
    }

    fn register(&'static self) -> Option<&'static Self> {
        let mut sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *sites.entry(self.name).or_insert(self);
        (!std::ptr::eq(first, self)).then_some(first)
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
