//! How a result becomes bytes and comes back.

use serde::de::DeserializeOwned;
use serde::Serialize;

/// The format of recorded results. Every record carries its codec's id, so records outlive a change of codec.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// JSON, with floats exact to the last bit.
    #[default]
    Json,
    /// MessagePack, with the names of fields: about three quarters of JSON's size, and NaN and infinities come back.
    #[cfg(feature = "messagepack")]
    MessagePack,
}

/// Why a codec could not write or read a value.
pub(crate) type CodecError = Box<dyn std::error::Error + Send + Sync>;

impl Codec {
    /// The id that records carry.
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

    /// Appends `value` to `to`.
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
                    rest => Err(format!("{} bytes too many", rest.len()).into()),
                }
            }
        }
    }
}
