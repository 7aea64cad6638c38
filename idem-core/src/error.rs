//! `Error`: why a guarded call was refused.

mod store;

use std::borrow::Cow;
use std::time::Duration;

pub use store::{Applied, StoreError, Unsupported};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a guarded call was refused.
///
/// Every variant names the operation; no variant carries the key. [`is_retryable`](Error::is_retryable) and
/// [`retry_after`](Error::retry_after) say what the caller should do next.
///
/// ```
/// use idem_core::Error;
///
/// /// An HTTP status for each error.
/// fn status(error: &Error) -> u16 {
///     match error {
///         Error::InProgress { .. } | Error::Indeterminate { .. } | Error::Unreplayable { .. } => 409,
///         Error::KeyReused { .. } => 422,
///         Error::InvalidKey { .. } => 400,
///         Error::Store { .. } | Error::ShuttingDown { .. } => 503,
///         _ => 500,
///     }
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another call with this key is running and did not end within this call's `wait`.
    #[error("{operation}: a call with this key is running; retry in {retry_after:?}")]
    #[non_exhaustive]
    InProgress {
        /// The operation's name.
        operation: Cow<'static, str>,
        /// How long to wait before the next attempt: half the run's age, at least 1 s, but at most the rest of the lease.
        retry_after: Duration,
    },

    /// The key was used before for a request with another fingerprint.
    #[error("{operation}: this key was used for a different request")]
    #[non_exhaustive]
    KeyReused {
        /// The operation's name.
        operation: Cow<'static, str>,
    },

    /// An earlier attempt may or may not have had its effect, and the operation runs at most once.
    #[error("{operation}: the outcome of attempt {attempt} is unknown")]
    #[non_exhaustive]
    Indeterminate {
        /// The operation's name.
        operation: Cow<'static, str>,
        /// The attempt whose outcome is unknown, counted from 1.
        attempt: u32,
    },

    /// The operation completed, but its result could not be recorded, so it cannot be replayed.
    #[error("{operation}: completed, but its result could not be recorded for replay")]
    #[non_exhaustive]
    Unreplayable {
        /// The operation's name.
        operation: Cow<'static, str>,
    },

    /// This build cannot read the record or its result. The record is left as it is.
    #[error("{operation}: the recorded result cannot be read by this build")]
    #[non_exhaustive]
    Decode {
        /// The operation's name.
        operation: Cow<'static, str>,
        /// Why the record cannot be read.
        source: Source,
    },

    /// The key is invalid, for example empty or too long. No request was sent to the store.
    #[error("{operation}: invalid key: {reason}")]
    #[non_exhaustive]
    InvalidKey {
        /// The operation's name.
        operation: Cow<'static, str>,
        /// Why the key is invalid.
        reason: InvalidKey,
    },

    /// The store did not answer or refused the request. The body did not run.
    #[error("{operation}: the store failed")]
    #[non_exhaustive]
    Store {
        /// The operation's name.
        operation: Cow<'static, str>,
        /// The store's error.
        source: StoreError,
    },

    /// This `Idem` is draining ([`Idem::drain`](crate::Idem::drain)) and accepts no new calls.
    #[error("{operation}: shutting down")]
    #[non_exhaustive]
    ShuttingDown {
        /// The operation's name.
        operation: Cow<'static, str>,
    },

    /// A body called its own operation with its own key. Waiting would never end.
    #[error("{operation}: called with its own key from inside its own body")]
    #[non_exhaustive]
    Reentrant {
        /// The operation's name.
        operation: Cow<'static, str>,
    },

    /// The call names no `Idem`, none is in scope and none is installed.
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
        /// The operation's name, or `idem` when the mistake belongs to no operation.
        operation: Cow<'static, str>,
        /// The mistake and how to fix it.
        reason: Cow<'static, str>,
    },
}

/// Why an idempotency key is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// All parts of the key are empty.
    #[error("it is empty")]
    Empty,
    /// A placeholder of a key template is empty.
    #[error("a placeholder is empty")]
    EmptyPlaceholder,
    /// A part made by [`hash`](crate::hash) cannot be serialized.
    #[error("a part of it cannot be serialized")]
    Unserializable,
    /// The key given to [`at`](crate::OperationBuilder::at) belongs to another operation or namespace.
    #[error("it belongs to another operation or namespace")]
    OfAnother,
    /// The encoded parts exceed about 8 KiB, although their own bytes are within the limit.
    #[error("it has too many parts")]
    TooManyParts,
    /// The bytes of the parts exceed [`Key::LIMIT`](crate::Key::LIMIT).
    #[error("it is {bytes} bytes long, the limit is 1024")]
    #[non_exhaustive]
    TooLong {
        /// The bytes of all parts together.
        bytes: usize,
    },
}

/// `retry_after` of retryable errors other than `InProgress`.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Error {
    /// The operation's name. `"idem"` for a mistake that belongs to no operation.
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

    /// Whether the same call, unchanged, may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::InProgress { .. } | Self::ShuttingDown { .. } => true,
            Self::Store { source, .. } => source.is_retryable(),
            _ => false,
        }
    }

    /// How long to wait before the next attempt. `None` when another attempt is refused again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::InProgress { retry_after, .. } => Some(*retry_after),
            _ if self.is_retryable() => Some(RETRY_AFTER),
            _ => None,
        }
    }

    /// The variant's name in metrics.
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
