//! Whether two requests, or two results, are the same.

mod canonical;

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use canonical::Form;

/// What a value would look like if nobody could choose an order: SHA-256 over a canonical form of anything `Serialize`.
///
/// The order of map entries and struct fields does not count, nor does the width of integers. The order of sequences does;
/// serde hands sets over as sequences, so fingerprint a `BTreeSet`, not a `HashSet`. The canonical form is part of the
/// stored format.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of `value`.
    ///
    /// # Errors
    /// What the value's `Serialize` reports; and that it is more than 1,024 values deep.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Unserializable> {
        Ok(Self(Sha256::digest(canonical::bytes(value, Form::Lasting)?).into()))
    }

    /// A fingerprint read back from a record.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The fingerprint as a store writes it down.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether two requests count as the same; a fingerprint on one side only does.
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

/// Why a value has no canonical form: what its `Serialize` said.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Unserializable(Box<str>);

/// What a value and what a codec made of it have in common if they are the same; nothing of a value that is too deep for any
/// codec, or that has no form at all.
///
/// No codec reorders a sequence, but a set iterates as it likes each time it is built; so here sequences compare without
/// their order.
pub(crate) fn comparable<T: Serialize + ?Sized>(value: &T) -> Option<Vec<u8>> {
    canonical::bytes(value, Form::Passing).ok()
}
