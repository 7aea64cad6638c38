//! How a result of one type is recorded and brought back.

use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::codec::Codec;
use crate::fingerprint::same_value;
use crate::record::{Completion, Memo, Payload, PayloadError, Side};

/// The largest result that is recorded, in bytes as encoded: 1 MiB.
const LARGEST: usize = 1024 * 1024;

/// What the engine knows of a result's type. The bounds are checked once, where this is made.
pub struct Replay<T> {
    side: Side,
    encode: fn(&T, Codec, Side) -> Option<Payload>,
    decode: fn(&Payload, Side) -> Result<T, PayloadError>,
    remember: fn(&T) -> Option<Memo>,
    recall: fn(&Memo) -> Option<T>,
}

impl<T> Replay<T> {
    /// Values that come back by decoding.
    #[must_use]
    pub(crate) fn decoding() -> Self
    where
        T: Serialize + DeserializeOwned,
    {
        Self::of_side(Side::Ok)
    }

    /// Errors that come back by decoding.
    pub(crate) fn decoding_errors() -> Self
    where
        T: Serialize + DeserializeOwned,
    {
        Self::of_side(Side::Err)
    }

    fn of_side(side: Side) -> Self
    where
        T: Serialize + DeserializeOwned,
    {
        Self { side, encode: encode_checked, decode: Payload::decode, remember: |_| None, recall: |_| None }
    }

    /// Results that come back as clones while this process remembers them.
    #[must_use]
    pub(crate) fn cloning(self) -> Self
    where
        T: Clone + Send + Sync + 'static,
    {
        Self {
            remember: |value| Some(Arc::new(Remembered(Some(value.clone())))),
            recall: |memo| memo.downcast_ref::<Remembered<T>>()?.0.clone(),
            ..self
        }
    }

    /// What to record of a success. Never fails, also when the value's own code panics: then the record is without a result.
    pub(crate) fn record(&self, value: &T, codec: Codec) -> Completion {
        let encoded = caught(|| (self.encode)(value, codec, self.side));
        match encoded.filter(|payload| payload.as_bytes().len() <= LARGEST) {
            Some(payload) => Completion::Result(payload.with_memo(caught(|| (self.remember)(value)))),
            None => Completion::Unreplayable,
        }
    }

    pub(crate) fn replay(&self, payload: &Payload) -> Result<T, PayloadError> {
        match payload.memo().and_then(|memo| caught(|| (self.recall)(memo))) {
            Some(value) => Ok(value),
            None => catch_unwind(AssertUnwindSafe(|| (self.decode)(payload, self.side)))
                .unwrap_or_else(|_| Err(PayloadError::Type("its `Deserialize` panicked".into()))),
        }
    }
}

/// The encoded value, if decoding it gives the same value again.
fn encode_checked<T: Serialize + DeserializeOwned>(value: &T, codec: Codec, side: Side) -> Option<Payload> {
    let payload = Payload::encode(value, codec, side).ok()?;
    let decoded = payload.decode::<T>(side).ok()?;
    let same = same_value(value, &decoded);
    // It was only made to be looked at; that it cannot be dropped quietly says nothing of what was recorded.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(decoded)));
    same.then_some(payload)
}

/// What code of the value's own comes to; nothing when it panics.
fn caught<T>(run: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok().flatten()
}

/// A value that is kept for others. Its drop may happen in anybody's call and must not panic there.
struct Remembered<T>(Option<T>);

impl<T> Drop for Remembered<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
    }
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
