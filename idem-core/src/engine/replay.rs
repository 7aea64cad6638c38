//! How a result of one type is recorded and brought back.

use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::codec::Codec;
use crate::fingerprint::same_value;
use crate::record::{Completion, Memo, Payload, PayloadError};

/// The largest result that is recorded, in bytes as encoded: 1 MiB.
const LARGEST: usize = 1024 * 1024;

/// What the engine knows of a result's type. The bounds are checked once, where this is made.
pub struct Replay<T> {
    encode: fn(&T, Codec) -> Option<Payload>,
    decode: fn(&Payload) -> Result<T, PayloadError>,
    remember: fn(&T) -> Option<Memo>,
    recall: fn(&Memo) -> Option<T>,
}

impl<T> Replay<T> {
    /// Results that come back by decoding.
    #[must_use]
    pub fn decoding() -> Self
    where
        T: Serialize + DeserializeOwned,
    {
        Self { encode: encode_checked, decode: Payload::decode, remember: |_| None, recall: |_| None }
    }

    /// Results that come back as clones while this process remembers them.
    #[must_use]
    pub(crate) fn cloning(self) -> Self
    where
        T: Clone + Send + Sync + 'static,
    {
        Self {
            remember: |value| Some(Arc::new(value.clone())),
            recall: |memo| memo.downcast_ref::<T>().cloned(),
            ..self
        }
    }

    /// What to record of a success. Never fails, also when the value's own code panics: then the record is without a result.
    pub(crate) fn record(&self, value: &T, codec: Codec) -> Completion {
        let recorded = catch_unwind(AssertUnwindSafe(|| {
            let payload = (self.encode)(value, codec).filter(|payload| payload.as_bytes().len() <= LARGEST)?;
            Some(payload.with_memo((self.remember)(value)))
        }));
        match recorded {
            Ok(Some(payload)) => Completion::Result(payload),
            Ok(None) | Err(_) => Completion::Unreplayable,
        }
    }

    pub(crate) fn replay(&self, payload: &Payload) -> Result<T, PayloadError> {
        match payload.memo().and_then(self.recall) {
            Some(value) => Ok(value),
            None => (self.decode)(payload),
        }
    }
}

/// The encoded value, if decoding it gives the same value again.
fn encode_checked<T: Serialize + DeserializeOwned>(value: &T, codec: Codec) -> Option<Payload> {
    let payload = Payload::encode(value, codec).ok()?;
    let decoded = payload.decode::<T>().ok()?;
    same_value(value, &decoded).then_some(payload)
}

impl<T> Clone for Replay<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Replay<T> {}

impl<T> fmt::Debug for Replay<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replay")
    }
}
