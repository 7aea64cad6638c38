//! Codecs and seals: how a result is encoded, and how it is encrypted.

use std::fmt;

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

    /// The error says where the value does not fit, and not how: serde's own words quote the value.
    pub(crate) fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, CodecError> {
        match self {
            Self::Json => serde_json::from_slice(bytes).map_err(|error| {
                let what = if error.is_data() { "does not fit the type" } else { "is not valid JSON" };
                format!("the value {what}, at column {} of line {}", error.column(), error.line()).into()
            }),
            #[cfg(feature = "messagepack")]
            Self::MessagePack => {
                let mut decoder = rmp_serde::Deserializer::new(bytes);
                let value = T::deserialize(&mut decoder).map_err(|_| "the value does not fit the type")?;
                match decoder.into_inner() {
                    [] => Ok(value),
                    rest => Err(format!("{} bytes after the value", rest.len()).into()),
                }
            }
        }
    }
}

/// Encrypts or otherwise transforms recorded results on their way to the store and back. Set it with
/// [`Builder::seal`](crate::Builder::seal).
///
/// It is called once for each result that is recorded, and once for each replay of a result that is not in memory. Keys,
/// fingerprints and the other fields of a record are not sealed. `idem-examples/tests/seal` has AES-GCM with keys that can be changed.
///
/// ```
/// use idem_core::{Idem, MokaStore, Seal, SealError};
///
/// /// Shows the shape only: this protects nothing.
/// #[derive(Debug)]
/// struct Xor(u8);
///
/// impl Seal for Xor {
///     fn seal(&self, plain: &[u8], _associated: &[u8]) -> Result<Vec<u8>, SealError> {
///         Ok(plain.iter().map(|byte| byte ^ self.0).collect())
///     }
///
///     fn open(&self, sealed: &[u8], associated: &[u8]) -> Result<Vec<u8>, SealError> {
///         self.seal(sealed, associated)
///     }
/// }
///
/// let idem = Idem::builder(MokaStore::new()).seal(Xor(7)).build()?;
/// # drop(idem);
/// # Ok::<(), idem_core::Error>(())
/// ```
pub trait Seal: fmt::Debug + Send + Sync + 'static {
    /// Seals `plain`.
    ///
    /// `associated` is the encoded namespace, operation and key. Pass it to the cipher as associated data: then a sealed result
    /// that was moved to another key cannot be opened. It is not stored with the result.
    ///
    /// # Errors
    /// The operation is then recorded as completed without its result; later calls get
    /// [`Error::Unreplayable`](crate::Error::Unreplayable).
    fn seal(&self, plain: &[u8], associated: &[u8]) -> Result<Vec<u8>, SealError>;

    /// Opens what [`seal`](Self::seal) returned.
    ///
    /// # Errors
    /// The caller then gets [`Error::Decode`](crate::Error::Decode), and the record is left as it is.
    fn open(&self, sealed: &[u8], associated: &[u8]) -> Result<Vec<u8>, SealError>;
}

/// Why a result could not be sealed or opened.
pub type SealError = Box<dyn std::error::Error + Send + Sync>;
