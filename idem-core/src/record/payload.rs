//! A recorded result: bytes that any process can read, and the value itself while this process remembers it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::codec::{Codec, CodecError};
use crate::key::Key;
use crate::seal::{Seal, SealError};

/// The value a payload was made from, shared within this process.
pub(crate) type Memo = Arc<dyn Any + Send + Sync>;

/// A recorded result as a store keeps it.
///
/// Its bytes say how to read them: a format version, the codec's id and which side of the `Result` it is, then what the
/// codec wrote; or, under seal, what that made of all of it. A store writes [`as_bytes`](Self::as_bytes) down and gives them back with [`from_bytes`](Self::from_bytes);
/// one that keeps records in this process keeps the `Payload` itself, and a replay needs no decoding.
#[derive(Clone)]
pub struct Payload {
    bytes: Arc<[u8]>,
    memo: Option<Memo>,
}

/// The version of the three-byte head.
const VERSION: u8 = 1;
/// In the place of a codec's id: what follows is a payload under seal.
const SEALED: u8 = 0xff;

/// Which side of a `Result` a payload holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Side {
    Ok = 0,
    Err = 1,
}

/// Why recorded bytes are not a result this build can read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// A newer build wrote them, or they are no record of this library's at all.
    #[error("the recorded result has an unknown format (version {0:?})")]
    Version(Option<u8>),
    /// Their codec is not part of this build.
    #[error("the recorded result has an unknown codec (id {0})")]
    Codec(u8),
    /// They hold the side of the `Result` that this caller does not record: an error, and it has no `record_err`.
    #[error("the recorded result is the other side of the Result")]
    Side,
    /// They are sealed, and this `Idem` has no seal.
    #[error("the recorded result is sealed, and this Idem has no seal")]
    Sealed,
    /// They cannot be opened: sealed with another key, for another record, or damaged.
    #[error("the recorded result cannot be opened: {0}")]
    Seal(#[source] SealError),
    /// They are of another type.
    #[error("the recorded result is of another type: {0}")]
    Type(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Payload {
    /// A payload read back from a store.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { bytes: bytes.into(), memo: None }
    }

    /// The payload as a store writes it down.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, codec: Codec, side: Side) -> Result<Self, CodecError> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[VERSION, codec.id(), side as u8]);
        codec.encode(value, &mut bytes)?;
        Ok(Self::from_bytes(bytes))
    }

    /// This payload, sealed for the record of `key`.
    pub(crate) fn seal(&self, seal: &dyn Seal, key: &Key) -> Result<Self, SealError> {
        let mut bytes = vec![VERSION, SEALED];
        bytes.extend(seal.seal(&self.bytes, key.as_bytes())?);
        Ok(Self::from_bytes(bytes))
    }

    /// What was sealed; `None` of a payload that never was.
    pub(crate) fn open(&self, seal: Option<&dyn Seal>, key: &Key) -> Result<Option<Self>, PayloadError> {
        match (&*self.bytes, seal) {
            ([VERSION, SEALED, sealed @ ..], Some(seal)) => {
                let opened = seal.open(sealed, key.as_bytes()).map_err(PayloadError::Seal)?;
                Ok(Some(Self::from_bytes(opened)))
            }
            ([VERSION, SEALED, ..], None) => Err(PayloadError::Sealed),
            _ => Ok(None),
        }
    }

    /// Whether this is an error.
    pub(crate) fn is_err(&self) -> bool {
        matches!(&*self.bytes, [VERSION, _, side, ..] if *side == Side::Err as u8)
    }

    pub(crate) fn decode<T: DeserializeOwned>(&self, side: Side) -> Result<T, PayloadError> {
        match &*self.bytes {
            [VERSION, codec, found, content @ ..] if *found == side as u8 => match Codec::from_id(*codec) {
                Some(codec) => codec.decode(content).map_err(PayloadError::Type),
                None => Err(PayloadError::Codec(*codec)),
            },
            [VERSION, ..] => Err(PayloadError::Side),
            other => Err(PayloadError::Version(other.first().copied())),
        }
    }

    #[must_use]
    pub(crate) fn with_memo(self, memo: Option<Memo>) -> Self {
        Self { memo, ..self }
    }

    pub(crate) const fn memo(&self) -> Option<&Memo> {
        self.memo.as_ref()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_frozen() {
        let payload = Payload::encode("a", Codec::Json, Side::Ok).expect("encodes");
        assert_eq!(payload.as_bytes(), b"\x01\x01\x00\"a\"");
        assert_eq!(payload.decode::<String>(Side::Ok).expect("decodes"), "a");
    }

    #[test]
    fn foreign_bytes_are_errors() {
        let decode = |bytes: &[u8]| Payload::from_bytes(bytes).decode::<u8>(Side::Ok);
        assert_eq!(decode(b"\x01\x01\x007").expect("honest"), 7);
        assert!(matches!(decode(b""), Err(PayloadError::Version(None))));
        assert!(matches!(decode(b"\x02\x01\x007"), Err(PayloadError::Version(Some(2)))));
        assert!(matches!(decode(b"\x01\x09\x007"), Err(PayloadError::Codec(9))));
        assert!(matches!(decode(b"\x01\x01\x017"), Err(PayloadError::Side)));
        assert!(matches!(decode(b"\x01\x01\x00seven"), Err(PayloadError::Type(_))));
    }
}
