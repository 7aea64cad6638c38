//! What a store says when it cannot answer.

use std::error::Error;
use std::sync::Arc;

/// A store's failure to answer a verb.
///
/// Losing a race is an answer, not an error. What the engine needs to know of a failure is whether the verb may have taken
/// effect all the same ([`Applied`]) and whether asking again can help.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{source}")]
pub struct StoreError {
    source: Arc<dyn Error + Send + Sync>,
    applied: Applied,
    retryable: bool,
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
        Self { source: Arc::from(source.into()), applied: Applied::No, retryable: true }
    }

    /// The verb may or may not have been applied, and asking again may help.
    pub fn unknown(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Arc::from(source.into()), applied: Applied::Unknown, retryable: true }
    }

    /// The store refuses and will go on refusing until somebody mends it: full, read-only, wrong schema.
    pub fn refused(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Arc::from(source.into()), applied: Applied::No, retryable: false }
    }

    /// The store has no such verb.
    #[must_use]
    pub fn unsupported(verb: &'static str) -> Self {
        Self::refused(Unsupported { verb })
    }

    /// Whether the verb may have changed the record.
    #[must_use]
    pub fn applied(&self) -> Applied {
        self.applied
    }

    /// Whether the same verb may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }
}
