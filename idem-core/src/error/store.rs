//! `StoreError`: why a store could not answer.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a store could not answer a verb.
///
/// A lost race is an answer, not an error. A store tells the engine two things: whether the verb may have been applied
/// ([`Applied`]), and whether sending it again can help.
///
/// | constructor | applied | retryable | for example |
/// |---|---|---|---|
/// | [`not_applied`](Self::not_applied) | no | yes | connection refused, server busy |
/// | [`unknown`](Self::unknown) | unknown | yes | connection reset after sending, time-out |
/// | [`refused`](Self::refused) | no | no | disk full, read-only, wrong schema |
/// | [`unreadable`](Self::unreadable) | no | no | a damaged or newer record |
/// | [`unsupported`](Self::unsupported) | no | no | a verb that the store lacks |
///
/// ```
/// use idem_core::{Applied, StoreError};
///
/// let error = StoreError::unknown("connection reset");
/// assert_eq!((error.applied(), error.is_retryable()), (Applied::Unknown, true));
/// ```
#[derive(Debug, Clone)]
pub struct StoreError {
    source: Arc<dyn Error + Send + Sync>,
    applied: Applied,
    retryable: bool,
    unreadable: bool,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.applied, self.retryable, self.unreadable) {
            (.., true) => "the stored record cannot be read by this build",
            (Applied::No, true, _) => "the request to the store failed; it was not applied",
            (Applied::No, false, _) => "the store refused the request",
            (Applied::Unknown, ..) => "the request to the store failed; it may or may not have been applied",
        })
    }
}

impl Error for StoreError {
    /// The store's own error. It can be downcast.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// The source of a [`StoreError`] for a verb that the store lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this store does not support `{verb}`")]
#[non_exhaustive]
pub struct Unsupported {
    /// The verb's name.
    pub verb: &'static str,
}

/// Whether a verb that failed may have changed the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The verb did not change the record.
    No,
    /// The verb may or may not have changed the record: the answer was lost, late, or unreadable.
    Unknown,
}

impl StoreError {
    /// The verb was not applied (not sent, or rejected for now). Sending it again may help.
    pub fn not_applied(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Arc::from(source.into()), applied: Applied::No, retryable: true, unreadable: false }
    }

    /// The verb may or may not have been applied. Sending it again may help.
    pub fn unknown(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Arc::from(source.into()), applied: Applied::Unknown, retryable: true, unreadable: false }
    }

    /// The store refuses the verb until an operator repairs the store: full, read-only, wrong schema.
    pub fn refused(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Arc::from(source.into()), applied: Applied::No, retryable: false, unreadable: false }
    }

    /// This build cannot read what is stored under the key, and left it as it is. The caller gets
    /// [`Error::Decode`](crate::Error::Decode).
    pub fn unreadable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { unreadable: true, ..Self::refused(source) }
    }

    /// The store lacks the verb: the source is [`Unsupported`].
    #[must_use]
    pub fn unsupported(verb: &'static str) -> Self {
        Self::refused(Unsupported { verb })
    }

    /// Marks the verb as possibly applied: an earlier copy of it may have been.
    pub(crate) fn or_unknown(self) -> Self {
        Self { applied: Applied::Unknown, ..self }
    }

    /// Whether the verb may have changed the record.
    #[must_use]
    pub fn applied(&self) -> Applied {
        self.applied
    }

    /// Whether this build cannot read what is stored under the key.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    /// Whether the same verb may succeed if it is sent again later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }
}
