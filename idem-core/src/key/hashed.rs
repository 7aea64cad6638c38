//! Key parts made of anything that can be serialized.

use serde::Serialize;

use super::{KeyPart, KeyWriter};
use crate::fingerprint::Fingerprint;

/// A key part made of anything `Serialize`; made by [`hash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed(Option<Fingerprint>);

/// Makes a key part of anything `Serialize`: 32 bytes that depend on all of the value, by the rules of [`Fingerprint`].
///
/// A key with a part that cannot be serialized is refused with [`InvalidKey`](crate::Error::InvalidKey).
#[must_use]
pub fn hash<T: Serialize + ?Sized>(value: &T) -> Hashed {
    Hashed(Fingerprint::of(value).ok())
}

impl KeyPart for Hashed {
    fn write_to(&self, key: &mut KeyWriter) {
        key.hashed(self.0.as_ref().map(Fingerprint::as_bytes));
    }
}
