//! Codecs: how a result is encoded.

use serde::de::DeserializeOwned;
use serde::Serialize;

/// The format of recorded results, set with [`Builder::codec`](crate::Builder::codec). Default: JSON.
///
/// Every recorded result contains its codec's id. So a service can change the codec while old records exist.
///
/// ```
/// use idem_core::{Codec, Idem, MokaStore};
///
/// let idem = Idem::builder(MokaStore::new()).codec(Codec::Json).build()?;
/// # drop(idem);
/// # Ok::<(), idem_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// JSON. Finite floats are exact to the last bit.
    #[default]
    Json,
    /// MessagePack with field names: about three quarters of JSON's size. NaN and infinities are preserved.
    #[cfg(feature = "messagepack")]
    MessagePack,
}

/// Why a codec could not encode or decode a value.
pub(crate) type CodecError = Box<dyn std::error::Error + Send + Sync>;

impl Codec {
    /// The id in recorded results.
    pub(crate) const fn id(self) -> u8 {
        match self {
            Self::Json => 1,
            #[cfg(feature = "messagepack")]
            Self::MessagePack => 2,
        }
    }

    pub(crate) const fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::Json),
            #[cfg(feature = "messagepack")]
            2 => Some(Self::MessagePack),
            _ => None,
        }
    }

    /// Encodes `value` and appends it to `to`.
    pub(crate) fn encode<T: Serialize + ?Sized>(self, value: &T, to: &mut Vec<u8>) -> Result<(), CodecError> {
        match self {
            Self::Json => serde_json::to_writer(to, value)?,
            #[cfg(feature = "messagepack")]
            Self::MessagePack => rmp_serde::encode::write_named(to, value)?,
        }
        Ok(())
    }

    pub(crate) fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, CodecError> {
        match self {
            Self::Json => Ok(serde_json::from_slice(bytes)?),
            #[cfg(feature = "messagepack")]
            Self::MessagePack => {
                let mut decoder = rmp_serde::Deserializer::new(bytes);
                let value = T::deserialize(&mut decoder)?;
                match decoder.into_inner() {
                    [] => Ok(value),
                    rest => Err(format!("{} bytes after the value", rest.len()).into()),
                }
            }
        }
    }
}
