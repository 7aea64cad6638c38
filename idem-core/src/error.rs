//! What can go wrong, as callers see it.

mod store;

use std::borrow::Cow;
use std::time::Duration;

pub use store::{Applied, StoreError, Unsupported};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a guarded call has no answer of its own.
///
/// Every variant names its operation and none of them carries the key, so an error can be logged and sent to a client as
/// it is. [`is_retryable`](Error::is_retryable) and [`retry_after`](Error::retry_after) say what a caller should do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another call with this key is running and did not end while this one waited.
    #[error("{operation}: a call with this key is running; retry in {retry_after:?}")]
    #[non_exhaustive]
    InProgress {
        /// The operation's name.
        operation: Cow<'static, str>,
        /// When to ask again: from 1 s, growing with the run's age, never above the lease that is left.
        retry_after: Duration,
    },

    /// The key was used before, for a request with another fingerprint.
    #[error("{operation}: this key was used for a different request")]
    #[non_exhaustive]
    KeyReused {
        /// The operation's name.
        operation: Cow<'static, str>,
    },

    /// An earlier attempt may or may not have had its effect, and the operation must not run again.
    #[error("{operation}: the outcome of attempt {attempt} is unknown")]
    #[non_exhaustive]
    Indeterminate {
        /// The operation's name.
        operation: Cow<'static, str>,
        /// The attempt whose outcome is unknown, counted from 1.
        attempt: u32,
    },

    /// The operation is done, but its result could not be stored, so there is nothing to replay.
    #[error("{operation}: done, but its result could not be recorded for replay")]
    #[non_exhaustive]
    Unreplayable {
        /// The operation's name.
        operation: Cow<'static, str>,
    },

    /// A result is recorded which this build cannot read. The record is left as it is.
    #[error("{operation}: the recorded result cannot be read by this build")]
    #[non_exhaustive]
    Decode {
        /// The operation's name.
        operation: Cow<'static, str>,
        /// What the decoder said.
        source: Source,
    },

    /// The key is empty or too long. The store was not asked.
    #[error("{operation}: invalid key: {reason}")]
    #[non_exhaustive]
    InvalidKey {
        /// The operation's name.
        operation: Cow<'static, str>,
        /// What is wrong with the key.
        reason: InvalidKey,
    },

    /// The store did not answer or refused, so the body did not run.
    #[error("{operation}: the store failed")]
    #[non_exhaustive]
    Store {
        /// The operation's name.
        operation: Cow<'static, str>,
        /// What the store said.
        source: StoreError,
    },

    /// This `Idem` is draining and accepts no new calls.
    #[error("{operation}: shutting down")]
    #[non_exhaustive]
    ShuttingDown {
        /// The operation's name.
        operation: Cow<'static, str>,
    },

    /// A body called its own operation with its own key.
    #[error("{operation}: called with its own key from inside its own body")]
    #[non_exhaustive]
    Reentrant {
        /// The operation's name.
        operation: Cow<'static, str>,
    },

    /// No `Idem` is in scope, installed or named by the call.
    #[error("{operation}: no Idem: call idem::install at start-up, use Idem::scope, or name one with `idem = …`")]
    #[non_exhaustive]
    NotInstalled {
        /// The operation's name.
        operation: Cow<'static, str>,
    },

    /// A mistake in how the program uses this library.
    #[error("{operation}: {reason}")]
    #[non_exhaustive]
    Config {
        /// The operation's name, or `idem` when the mistake belongs to none.
        operation: Cow<'static, str>,
        /// The mistake and how to mend it.
        reason: Cow<'static, str>,
    },
}

/// What is wrong with an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// All parts of the key are empty.
    #[error("it is empty")]
    Empty,
    /// A placeholder of a key template came out empty.
    #[error("a placeholder is empty")]
    EmptyPlaceholder,
    /// A hashed part cannot be serialized.
    #[error("a part of it cannot be serialized")]
    Unserializable,
    /// It is a listed key of another operation or namespace.
    #[error("it belongs to another operation")]
    OfAnother,
    /// It has thousands of parts.
    #[error("it has too many parts")]
    TooManyParts,
    /// The key's own bytes exceed [`Key::LIMIT`](crate::Key::LIMIT).
    #[error("it is {bytes} bytes long, the limit is 1024")]
    #[non_exhaustive]
    TooLong {
        /// How long the key is, in bytes.
        bytes: usize,
    },
}

/// How long a caller should wait when the library has nothing better to say.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Error {
    /// The operation's name, as given with `name = …`; `"idem"` for a mistake that belongs to no operation.
    #[must_use]
    pub fn operation(&self) -> &str {
        self.name()
    }

    pub(crate) const fn name(&self) -> &Cow<'static, str> {
        match self {
            Self::InProgress { operation, .. }
            | Self::KeyReused { operation }
            | Self::Indeterminate { operation, .. }
            | Self::Unreplayable { operation }
            | Self::Decode { operation, .. }
            | Self::InvalidKey { operation, .. }
            | Self::Store { operation, .. }
            | Self::ShuttingDown { operation }
            | Self::Reentrant { operation }
            | Self::NotInstalled { operation }
            | Self::Config { operation, .. } => operation,
        }
    }

    /// Whether the same call may succeed later, unchanged.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::InProgress { .. } | Self::ShuttingDown { .. } => true,
            Self::Store { source, .. } => source.is_retryable(),
            _ => false,
        }
    }

    /// When to try again; `None` when trying again is of no use.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::InProgress { retry_after, .. } => Some(*retry_after),
            _ if self.is_retryable() => Some(RETRY_AFTER),
            _ => None,
        }
    }

    /// The variant's name as metrics have it.
    pub(crate) const fn variant(&self) -> &'static str {
        match self {
            Self::InProgress { .. } => "in_progress",
            Self::KeyReused { .. } => "key_reused",
            Self::Indeterminate { .. } => "indeterminate",
            Self::Unreplayable { .. } => "unreplayable",
            Self::Decode { .. } => "decode",
            Self::InvalidKey { .. } => "invalid_key",
            Self::Store { .. } => "store",
            Self::ShuttingDown { .. } => "shutting_down",
            Self::Reentrant { .. } => "reentrant",
            Self::NotInstalled { .. } => "not_installed",
            Self::Config { .. } => "config",
        }
    }

    pub(crate) fn config(operation: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Config { operation: operation.into(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests;
