//! How a result of one type is recorded and brought back.

use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};

use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::codec::Codec;
use crate::fingerprint::comparable;
use crate::key::Key;
use crate::record::{Completion, Memo, Payload, PayloadError, Side};
use crate::seal::Seal;

/// The largest result that is recorded, in bytes as encoded: 1 MiB.
const LARGEST: usize = 1024 * 1024;

/// How a result is written down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form<'a> {
    pub(crate) codec: Codec,
    pub(crate) seal: Option<&'a dyn Seal>,
    pub(crate) key: &'a Key,
}

impl Form<'_> {
    /// A result as it is stored: sealed, if there is a seal and what it makes can be opened again.
    fn close(&self, plain: Payload) -> Option<Payload> {
        let Some(seal) = self.seal else {
            return Some(plain);
        };
        let sealed = plain.seal(seal, self.key).ok()?;
        let opened = sealed.open(self.seal, self.key).ok()?;
        (opened.as_ref() == Some(&plain)).then_some(sealed)
    }

    /// A stored result without its seal; `None` if it has none.
    pub(crate) fn open(&self, payload: &Payload) -> Result<Option<Payload>, PayloadError> {
        caught(|| Some(payload.open(self.seal, self.key)))
            .unwrap_or_else(|| Err(PayloadError::Seal("its `Seal` panicked".into())))
    }
}

/// What the engine knows of a result's type. The bounds are checked once, where this is made.
pub struct Replay<T> {
    side: Side,
    encode: fn(&T, Form<'_>, Side) -> Option<(Payload, T)>,
    decode: fn(&Payload, Side, &Key) -> Result<T, PayloadError>,
    remember: fn(T) -> Option<Memo>,
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
            remember: |value| Some(Box::new(Remembered(Some(value)))),
            recall: |memo| memo.downcast_ref::<Remembered<T>>()?.0.clone(),
            ..self
        }
    }

    /// What to record of a success. Never fails, also when the value's own code panics: then the record is without a result.
    ///
    /// What is remembered is what was decoded: so a replay is the same, whether it comes from memory or from the store.
    pub(crate) fn record(&self, value: &T, form: Form<'_>) -> Completion {
        let recorded = caught(|| {
            let (plain, decoded) = (self.encode)(value, form, self.side)?;
            let memo = (self.remember)(decoded);
            let payload = form.close(plain).filter(|payload| payload.as_bytes().len() <= LARGEST)?;
            Some(payload.with_memo(memo))
        });
        recorded.map_or(Completion::Unreplayable, Completion::Result)
    }

    /// The value itself, if this process remembers it.
    #[inline]
    pub(crate) fn recall(&self, payload: &Payload, key: &Key) -> Option<T> {
        payload.memo(key).and_then(|memo| caught(|| (self.recall)(memo)))
    }

    /// The value from what was encoded.
    pub(crate) fn decode(&self, payload: &Payload, key: &Key) -> Result<T, PayloadError> {
        caught(|| Some((self.decode)(payload, self.side, key)))
            .unwrap_or_else(|| Err(PayloadError::Type("its `Deserialize` panicked".into())))
    }
}

/// The encoded value and what decoding makes of it, if that is serialized as the same again.
fn encode_checked<T: Serialize + DeserializeOwned>(value: &T, form: Form<'_>, side: Side) -> Option<(Payload, T)> {
    // First, for it has a limit to its depth, and codecs have none.
    let known = comparable(value)?;
    let payload = Payload::encode(value, form.codec, side, form.key).ok()?;
    let decoded = payload.decode::<T>(side, form.key).ok()?;
    if comparable(&decoded).is_some_and(|decoded| decoded == known) {
        return Some((payload, decoded));
    }
    forget(decoded);
    None
}

/// Drops what was only made to be looked at. That it cannot be dropped quietly says nothing of what was recorded.
fn forget<T>(decoded: T) -> Option<Memo> {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(decoded)));
    None
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
