//! What a store says when it cannot answer.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// A store's failure to answer a verb.
///
/// Losing a race is an answer, not an error. What the engine needs to know of a failure is whether the verb may have taken
/// effect all the same ([`Applied`]) and whether asking again can help.
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
            (.., true) => "what is stored there cannot be read by this build",
            (Applied::No, true, _) => "the verb was not applied",
            (Applied::No, false, _) => "the store refuses",
            (Applied::Unknown, ..) => "nobody knows whether the verb was applied",
        })
    }
}

impl Error for StoreError {
    /// What the store said, as it said it: it can be downcast.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// The source of a [`StoreError`] for a verb that the store does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this store does not support `{verb}`")]
#[non_exhaustive]
pub struct Unsupported {
    /// The verb.
    pub verb: &'static str,
}

/// Whether a verb that failed may have changed the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It certainly did not.
    No,
    /// Nobody knows: the answer was lost, late, or unreadable.
    Unknown,
}

impl StoreError {
    /// The verb certainly changed nothing (refused, or never sent), and asking again may help.
    pub fn not_applied(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Arc::from(source.into()), applied: Applied::No, retryable: true, unreadable: false }
    }

    /// The verb may or may not have been applied, and asking again may help.
    pub fn unknown(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Arc::from(source.into()), applied: Applied::Unknown, retryable: true, unreadable: false }
    }

    /// The store refuses and will go on refusing until somebody mends it: full, read-only, wrong schema.
    pub fn refused(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Arc::from(source.into()), applied: Applied::No, retryable: false, unreadable: false }
    }

    /// There is something under the key that this build cannot read, and it was left as it is. The caller gets
    /// [`Error::Decode`](crate::Error::Decode).
    pub fn unreadable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { unreadable: true, ..Self::refused(source) }
    }

    /// The store has no such verb.
    #[must_use]
    pub fn unsupported(verb: &'static str) -> Self {
        Self::refused(Unsupported { verb })
    }

    /// The same, of a verb that may have been applied before it failed so.
    pub(crate) fn or_unknown(self) -> Self {
        Self { applied: Applied::Unknown, ..self }
    }

    /// Whether the verb may have changed the record.
    #[must_use]
    pub fn applied(&self) -> Applied {
        self.applied
    }

    /// Whether there is something under the key that this build cannot read.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    /// Whether the same verb may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }
}
