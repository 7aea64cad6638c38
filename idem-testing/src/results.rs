//! Whether results recorded by one build are replayed by the next.

use idem_core::{private, Codec, InvalidKey, Key, PayloadError};
use serde::de::DeserializeOwned;
use serde::Serialize;

/// The bytes that are recorded of a result, without a seal; `None` when it does not come back as it was and would end
/// unreplayable.
///
/// Keep them in a file of your repository, and let a test ask whether your type still [`replays`] them.
#[must_use]
pub fn recorded<T: Serialize + DeserializeOwned>(result: &T, codec: Codec) -> Option<Vec<u8>> {
    private::recorded(result, codec, &key().ok()?)
}

/// What recorded bytes are replayed as: whether a change of your type leaves the results alone that are recorded already.
///
/// ```
/// use idem_testing::{recorded, replays};
/// # use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Receipt { id: u64 }
///
/// // With a field more, and a default for it.
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct NewReceipt { id: u64, #[serde(default)] cents: u64 }
///
/// let bytes = recorded(&Receipt { id: 7 }, idem_core::Codec::Json).unwrap();
/// assert_eq!(replays::<NewReceipt>(&bytes).unwrap(), NewReceipt { id: 7, cents: 0 });
/// assert!(replays::<String>(&bytes).is_err());
/// ```
///
/// # Errors
/// [`PayloadError`] when they are no result of this type: callers would get [`Error::Decode`](idem_core::Error::Decode).
pub fn replays<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PayloadError> {
    private::replays(bytes, &key().map_err(|error| PayloadError::Type(error.into()))?)
}

/// The key that the bytes are bound to.
fn key() -> Result<Key, InvalidKey> {
    Key::new("", "idem.testing", "k")
}
