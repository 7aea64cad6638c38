//! What a call asks for, computed once and passed along.

mod site;

use std::borrow::Cow;
use std::time::Duration;

pub use site::Site;

use crate::error::{Error, StoreError};
use crate::fingerprint::Fingerprint;
use crate::key::Key;

/// One guarded call, as its options and the `Idem`'s defaults make it.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) name: Cow<'static, str>,
    pub(crate) key: Key,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) ttl: Duration,
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
    /// Whether an attempt whose outcome is unknown is the last one.
    pub(crate) at_most_once: bool,
    /// Whether the caller can find out what became of an attempt whose outcome is unknown.
    pub(crate) reconciling: bool,
    /// How long the store may take to answer.
    pub(crate) store_timeout: Duration,
}

/// What identifies a call.
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
        // A client that comes back after half the run's age again sees the end soon, and does not hammer a long run.
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
