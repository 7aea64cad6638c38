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
}

/// Why a codec could not write or read a value.
pub(crate) type CodecError = Box<dyn std::error::Error + Send + Sync>;

impl Codec {
    /// The id that records carry.
    pub(crate) const fn id(self) -> u8 {
        match self {
            Self::Json => 1,
        }
    }

    pub(crate) const fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::Json),
            _ => None,
        }
    }

    /// Appends `value` to `to`.
    pub(crate) fn encode<T: Serialize + ?Sized>(self, value: &T, to: &mut Vec<u8>) -> Result<(), CodecError> {
        match self {
            Self::Json => serde_json::to_writer(to, value)?,
        }
        Ok(())
    }

    pub(crate) fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, CodecError> {
        match self {
            Self::Json => Ok(serde_json::from_slice(bytes)?),
        }
    }
}
