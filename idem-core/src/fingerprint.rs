//! Fingerprints: whether two requests, or two results, are the same.

mod canonical;

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use canonical::Sorting;

/// The SHA-256 of a canonical form of a `Serialize` value. Equal requests have equal fingerprints.
///
/// Ignored: the order of map entries, the order of struct fields, the width of integers. Not ignored: the order of a
/// sequence. serde serializes sets as sequences, so fingerprint a `BTreeSet`, not a `HashSet`. The canonical form is part of
/// the stored format.
///
/// ```
/// use idem_core::Fingerprint;
///
/// let request = Fingerprint::of(&[("cents", 500), ("order", 7)])?;
/// assert_eq!(request, Fingerprint::of(&vec![("cents", 500_u64), ("order", 7)])?);
/// assert_ne!(request, Fingerprint::of(&[("cents", 999), ("order", 7)])?);
/// # Ok::<(), idem_core::Unserializable>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Computes the fingerprint of `value`.
    ///
    /// # Errors
    /// [`Unserializable`] when the value's `Serialize` fails, or the value is nested more than 1,024 levels deep.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Unserializable> {
        Ok(Self(Sha256::digest(canonical::bytes(value, Sorting::Fields)?).into()))
    }

    /// Makes a fingerprint of the bytes that a store read back.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes that a store writes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether two requests count as the same. A fingerprint on one side only counts as the same.
    #[must_use]
    pub fn same_request(one: Option<&Self>, other: Option<&Self>) -> bool {
        match (one, other) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        }
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Fingerprint({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// The value cannot be serialized: the message of its `Serialize`, or that it is nested too deep.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Unserializable(Box<str>);

/// A form of `value` that is equal for a value and for what a codec decodes from its encoding. `None` when the value cannot
/// be serialized or is nested too deep.
///
/// Sequences are sorted, because serde serializes a set as a sequence, and a `HashSet` that was decoded iterates in another
/// order. No codec reorders a sequence, so that nothing is missed.
pub(crate) fn comparable<T: Serialize + ?Sized>(value: &T) -> Option<Vec<u8>> {
    canonical::bytes(value, Sorting::Sequences).ok()
}
