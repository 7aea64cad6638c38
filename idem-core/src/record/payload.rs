//! A recorded result: bytes that any process can read, and in this process also the value.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::Serialize;

use super::checksum::{checksum, Domain, LENGTH};
use crate::codec::{Codec, CodecError, Seal, SealError};
use crate::key::Key;

/// The value that a payload was encoded from, kept in this process so that a replay can clone it.
pub(crate) type Memo = Box<dyn Any + Send + Sync>;

/// A recorded result, as a store keeps it.
///
/// The bytes are a format version, the codec's id, the side of the `Result`, a checksum, and what the codec wrote. A sealed
/// result is what the [`Seal`](crate::Seal) made of all of that. The checksum covers the record's key and the other
/// bytes: a result that was damaged or moved to another key is an error, never a wrong answer. A store writes
/// [`as_bytes`](Self::as_bytes) and returns the bytes with [`from_bytes`](Self::from_bytes). A store in this process keeps
/// the `Payload` itself; then a replay may need no decoding.
///
/// Cloning is cheap: clones share the bytes. `Debug` shows only their number.
#[derive(Clone)]
pub struct Payload(Arc<Content>);

struct Content {
    bytes: Box<[u8]>,
    /// The hash of the key for which this process encoded the payload. For that key the checksum is not checked again.
    made_for: Option<u64>,
    memo: Option<Memo>,
}

const VERSION: u8 = 1;
/// The bytes before the checksum: version, codec and side.
const HEAD: usize = 3;
/// In place of a codec's id: a sealed payload follows. It has no checksum, because the seal detects damage.
const SEALED: u8 = 0xff;

/// The side of a `Result` that a payload holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Side {
    Ok = 0,
    Err = 1,
}

/// Why this build cannot replay a recorded result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// A newer build wrote the result, or the bytes are not a result of this library.
    #[error("the recorded result has an unknown format (version {0:?})")]
    Version(Option<u8>),
    /// This build does not have the result's codec.
    #[error("the recorded result has an unknown codec (id {0})")]
    Codec(u8),
    /// The call reads the `Ok` side and the recorded result is not an `Ok`: it is an error, and the call has no `record_err`.
    #[error("the recorded result is not an `Ok`, and this call has no `record_err`")]
    Side,
    /// The checksum does not match: the result is damaged or belongs to another key.
    #[error("the recorded result is damaged or belongs to another key")]
    Foreign,
    /// The result is sealed, and this `Idem` has no seal.
    #[error("the recorded result is sealed and this Idem has no seal: set one with Idem::builder(store).seal(...)")]
    Sealed,
    /// The seal cannot open the result: it was sealed with another key or for another record, or is damaged.
    #[error("the recorded result cannot be opened: {0}")]
    Seal(#[source] SealError),
    /// The codec cannot decode the result as the caller's type.
    #[error("the recorded result is of another type")]
    Type(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Payload {
    /// Makes a payload of the bytes that a store read back.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(bytes.into(), None)
    }

    fn new(bytes: Vec<u8>, made_for: Option<u64>) -> Self {
        Self(Arc::new(Content { bytes: bytes.into(), made_for, memo: None }))
    }

    /// The bytes that a store writes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    pub(crate) fn encode<T: Serialize + ?Sized>(
        value: &T,
        codec: Codec,
        side: Side,
        key: &Key,
    ) -> Result<Self, CodecError> {
        let mut bytes = Vec::with_capacity(256);
        bytes.resize(HEAD + LENGTH, 0);
        codec.encode(value, &mut bytes)?;
        Ok(Self::with_head(bytes, codec, side, key))
    }

    /// A payload with this content and a valid checksum. The codec may be unable to read it.
    pub(crate) fn with_content(codec: Codec, side: Side, key: &Key, content: &[u8]) -> Self {
        let read = Self::with_head([&[0; HEAD + LENGTH], content].concat(), codec, side, key);
        Self::from_bytes(read.as_bytes())
    }

    /// Writes head and checksum into the first bytes, which the caller reserved for them.
    fn with_head(mut bytes: Vec<u8>, codec: Codec, side: Side, key: &Key) -> Self {
        let head = [VERSION, codec.id(), side as u8];
        let sum = checksum(Domain::Result, key, &head, bytes.get(HEAD + LENGTH..).unwrap_or_default());
        bytes.iter_mut().zip(head.into_iter().chain(sum)).for_each(|(byte, head)| *byte = head);
        Self::new(bytes, Some(key.hash()))
    }

    /// Seals this payload for the record of `key`.
    pub(crate) fn seal(&self, seal: &dyn Seal, key: &Key) -> Result<Self, SealError> {
        let mut bytes = vec![VERSION, SEALED];
        bytes.extend(seal.seal(self.as_bytes(), key.as_bytes())?);
        Ok(Self::new(bytes, self.0.made_for))
    }

    /// Opens a sealed payload. `None` when the payload is not sealed.
    pub(crate) fn open(&self, seal: Option<&dyn Seal>, key: &Key) -> Result<Option<Self>, PayloadError> {
        match (self.as_bytes(), seal) {
            ([VERSION, SEALED, sealed @ ..], Some(seal)) => {
                let opened = seal.open(sealed, key.as_bytes()).map_err(PayloadError::Seal)?;
                Ok(Some(Self::from_bytes(opened)))
            }
            ([VERSION, SEALED, ..], None) => Err(PayloadError::Sealed),
            _ => Ok(None),
        }
    }

    /// Whether the payload holds the error side of a `Result`.
    pub(crate) fn is_err(&self) -> bool {
        matches!(self.as_bytes(), [VERSION, _, side, ..] if *side == Side::Err as u8)
    }

    pub(crate) fn decode<T: DeserializeOwned>(&self, side: Side, key: &Key) -> Result<T, PayloadError> {
        let (codec, found, content) = self.content(key)?;
        if found != side as u8 {
            return Err(PayloadError::Side);
        }
        let codec = Codec::from_id(codec).ok_or(PayloadError::Codec(codec))?;
        codec.decode(content).map_err(PayloadError::Type)
    }

    /// The codec's id, the side, and what the codec wrote. Fails when the checksum does not match `key`.
    fn content(&self, key: &Key) -> Result<(u8, u8, &[u8]), PayloadError> {
        let (head, rest) = match self.as_bytes().split_first_chunk::<HEAD>() {
            Some((head @ &[VERSION, ..], rest)) => (head, rest),
            _ => return Err(PayloadError::Version(self.as_bytes().first().copied())),
        };
        let &[_, codec, side] = head;
        let (sum, content) = rest.split_first_chunk().ok_or(PayloadError::Foreign)?;
        if !self.is_made_for(key) && *sum != checksum(Domain::Result, key, head, content) {
            return Err(PayloadError::Foreign);
        }
        Ok((codec, side, content))
    }

    /// Whether this process encoded the payload for `key`. If not, the checksum is checked, which detects a store that confuses
    /// keys.
    fn is_made_for(&self, key: &Key) -> bool {
        self.0.made_for == Some(key.hash())
    }

    /// Adds the value that the payload was encoded from. Does nothing when the payload has clones.
    #[must_use]
    pub(crate) fn with_memo(mut self, memo: Option<Memo>) -> Self {
        if let Some(content) = Arc::get_mut(&mut self.0) {
            content.memo = memo;
        }
        self
    }

    /// The value, if this process encoded the payload for `key` and kept it.
    pub(crate) fn memo(&self, key: &Key) -> Option<&Memo> {
        self.0.memo.as_ref().filter(|_| self.is_made_for(key))
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.as_bytes().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(part: u8) -> Key {
        Key::new("ns", "op", &part).expect("a valid key")
    }

    #[test]
    fn the_head_is_frozen() {
        let payload = Payload::encode("a", Codec::Json, Side::Ok, &key(1)).expect("encodes");
        assert_eq!(payload.as_bytes(), b"\x01\x01\x00\xc1\xaa\x62\xa5\x43\x89\xe3\xfc\"a\"");
        assert_eq!(payload.decode::<String>(Side::Ok, &key(1)).expect("decodes"), "a");
        let read = Payload::from_bytes(payload.as_bytes());
        assert_eq!(read.decode::<String>(Side::Ok, &key(1)).expect("decodes"), "a");
    }

    #[test]
    fn what_belongs_to_another_key_is_an_error() {
        let payload = Payload::encode("a", Codec::Json, Side::Ok, &key(1)).expect("encodes");
        for payload in [payload.clone(), Payload::from_bytes(payload.as_bytes())] {
            assert!(payload.decode::<String>(Side::Ok, &key(1)).is_ok());
            assert!(matches!(payload.decode::<String>(Side::Ok, &key(2)), Err(PayloadError::Foreign)));
        }
        let remembered = payload.with_memo(Some(Box::new(())));
        assert!(remembered.memo(&key(1)).is_some());
        assert!(remembered.memo(&key(2)).is_none());
    }

    #[test]
    fn no_flipped_bit_and_no_cut_is_another_result() {
        let payload = Payload::encode(&7_000, Codec::Json, Side::Ok, &key(1)).expect("encodes");
        let whole = payload.as_bytes();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Payload::from_bytes(bytes).decode::<u32>(Side::Ok, &key(1)).is_err(), "bit {bit}");
        }
        for cut in 0..whole.len() {
            assert!(Payload::from_bytes(&whole[..cut]).decode::<u32>(Side::Ok, &key(1)).is_err(), "cut {cut}");
        }
    }

    #[test]
    fn foreign_bytes_are_errors() {
        let decode = |bytes: &[u8]| Payload::from_bytes(bytes).decode::<u8>(Side::Ok, &key(1));
        let checked = |head: [u8; HEAD], content: &[u8]| {
            [&head[..], &checksum(Domain::Result, &key(1), &head, content), content].concat()
        };
        assert_eq!(decode(&checked([1, 1, 0], b"7")).expect("honest"), 7);
        assert!(matches!(decode(b""), Err(PayloadError::Version(None))));
        assert!(matches!(decode(&checked([2, 1, 0], b"7")), Err(PayloadError::Version(Some(2)))));
        assert!(matches!(decode(b"\x01\x01\x007"), Err(PayloadError::Foreign)));
        assert!(matches!(decode(&checked([1, 9, 0], b"7")), Err(PayloadError::Codec(9))));
        assert!(matches!(decode(&checked([1, 1, 1], b"7")), Err(PayloadError::Side)));
        assert!(matches!(decode(&checked([1, 1, 0], b"seven")), Err(PayloadError::Type(_))));
    }
}
