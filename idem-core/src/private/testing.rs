//! What `idem-testing` and the simulations need and nobody else may make: errors of every kind, results as they are stored,
//! and pauses that are the same each time.

use std::borrow::Cow;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::codec::Codec;
use crate::error::{Error, InvalidKey, StoreError};
use crate::key::Key;
use crate::record::{Completion, Payload, PayloadError, Side};
use crate::results::{Encoding, ResultCodec};
use crate::retry;

/// One error of each variant.
#[must_use]
pub fn every_error() -> Vec<Error> {
    let operation = || Cow::Borrowed("payments.charge");
    vec![
        Error::InProgress { operation: operation(), retry_after: Duration::from_secs(1) },
        Error::KeyReused { operation: operation() },
        Error::Indeterminate { operation: operation(), attempt: 1 },
        Error::Unreplayable { operation: operation() },
        Error::Decode { operation: operation(), source: "a newer build wrote it".into() },
        Error::InvalidKey { operation: operation(), reason: InvalidKey::Empty },
        Error::Store { operation: operation(), source: StoreError::unknown("connection reset") },
        Error::ShuttingDown { operation: operation() },
        Error::Reentrant { operation: operation() },
        Error::NotInstalled { operation: operation() },
        Error::config(operation(), "two operations have this name"),
    ]
}

/// The bytes that are recorded of a key's result; `None` when it does not come back as it was.
pub fn recorded<T: Serialize + DeserializeOwned>(result: &T, codec: Codec, key: &Key) -> Option<Vec<u8>> {
    match ResultCodec::decoding().record(result, Encoding { codec, seal: None, key }) {
        Completion::Result(payload) => Some(payload.as_bytes().to_vec()),
        Completion::Unreplayable => None,
    }
}

/// A result of the key with this content, whatever that is, and the right checksum: what a codec makes of hostile bytes.
#[must_use]
pub fn with_checksum(codec: Codec, content: &[u8], key: &Key) -> Vec<u8> {
    Payload::with_content(codec, Side::Ok, key, content).as_bytes().to_vec()
}

/// What recorded bytes are replayed as.
///
/// # Errors
/// [`PayloadError`] when they are no result of this key and type.
pub fn replays<T: DeserializeOwned>(bytes: &[u8], key: &Key) -> Result<T, PayloadError> {
    Payload::from_bytes(bytes).decode(Side::Ok, key)
}

/// From now on the engine's pauses on this thread are the same ones for the same seed: a simulation can be repeated.
pub fn seed_jitter(seed: u64) {
    retry::seed_jitter(seed);
}
