//! How outcomes are recorded, and how recorded results are replayed.

use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};

use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::codec::{Codec, Seal};
use crate::fingerprint::comparable;
use crate::key::Key;
use crate::record::{Completion, Memo, Payload, PayloadError, Side};
use crate::transition::Ending;

/// The largest result that is recorded, in bytes as encoded: 1 MiB.
const LARGEST: usize = 1024 * 1024;

/// A user's predicate on a value or an error.
type Rule<T> = fn(&T) -> bool;

/// How the outcomes of one function are recorded and replayed.
pub struct OutcomePolicy<T, E> {
    pub(crate) codec: ResultCodec<T>,
    /// Which values count as a success. Default: all.
    pub(crate) record_if: Option<Rule<T>>,
    /// Which errors are recorded and replayed, and how. Default: none.
    pub(crate) record_err: Option<(Rule<E>, ResultCodec<E>)>,
    /// Which errors leave it open whether the effect happened. Default: none.
    pub(crate) unknown_err: Option<Rule<E>>,
}

impl<T, E> OutcomePolicy<T, E> {
    pub(crate) const fn new(codec: ResultCodec<T>) -> Self {
        Self { codec, record_if: None, record_err: None, unknown_err: None }
    }

    /// What to record for this outcome of a body. If `was_refused`, the error may be a refusal by this library, which is never
    /// recorded. A rule that panics counts as `true`, the safer answer: a value is a success, an error is unknown or recorded.
    pub(crate) fn ending(&self, outcome: &Result<T, E>, was_refused: bool, encoding: Encoding<'_>) -> Ending {
        match outcome {
            Ok(value) if self.record_if.is_some_and(|record_if| !rule_holds(record_if, value)) => Ending::Failed,
            Ok(value) => Ending::Completed(self.codec.record(value, encoding)),
            Err(error) if self.unknown_err.is_some_and(|unknown_err| rule_holds(unknown_err, error)) => Ending::Unknown,
            Err(error) => match self.record_err {
                Some((record_err, codec)) if !was_refused && rule_holds(record_err, error) => {
                    Ending::Completed(codec.record(error, encoding))
                }
                _ => Ending::Failed,
            },
        }
    }

    /// The value or the error that was recorded.
    #[inline]
    pub(crate) fn replay(&self, payload: &Payload, encoding: Encoding<'_>) -> Result<Result<T, E>, PayloadError> {
        if let Some(value) = self.codec.recall(payload, encoding.key) {
            return Ok(Ok(value));
        }
        self.decode(payload, encoding)
    }

    fn decode(&self, payload: &Payload, encoding: Encoding<'_>) -> Result<Result<T, E>, PayloadError> {
        let opened = encoding.open(payload)?;
        let payload = opened.as_ref().unwrap_or(payload);
        match &self.record_err {
            Some((_, codec)) if payload.is_err() => codec.decode(payload, encoding.key).map(Err),
            _ => self.codec.decode(payload, encoding.key).map(Ok),
        }
    }
}

fn rule_holds<T>(rule: Rule<T>, of: &T) -> bool {
    catch_unwind(AssertUnwindSafe(|| rule(of))).unwrap_or(true)
}

/// How the results of a key are encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoding<'a> {
    pub(crate) codec: Codec,
    pub(crate) seal: Option<&'a dyn Seal>,
    pub(crate) key: &'a Key,
}

impl Encoding<'_> {
    /// A result as it is stored: sealed, if there is a seal. `None` if the sealed result cannot be opened again.
    fn seal(&self, plain: Payload) -> Option<Payload> {
        let Some(seal) = self.seal else {
            return Some(plain);
        };
        let sealed = plain.seal(seal, self.key).ok()?;
        let opened = sealed.open(self.seal, self.key).ok()?;
        (opened.as_ref() == Some(&plain)).then_some(sealed)
    }

    /// Opens a sealed result. `None` if it is not sealed.
    pub(crate) fn open(&self, payload: &Payload) -> Result<Option<Payload>, PayloadError> {
        caught(|| Some(payload.open(self.seal, self.key)))
            .unwrap_or_else(|| Err(PayloadError::Seal("its `Seal` panicked".into())))
    }
}

/// Encodes and decodes the values of one type. The constructors check the trait bounds, so the engine needs none.
pub struct ResultCodec<T> {
    side: Side,
    encode: fn(&T, Encoding<'_>, Side) -> Option<(Payload, T)>,
    decode: fn(&Payload, Side, &Key) -> Result<T, PayloadError>,
    remember: fn(T) -> Option<Memo>,
    recall: fn(&Memo) -> Option<T>,
}

impl<T> ResultCodec<T> {
    /// Replays values by decoding them.
    #[must_use]
    pub(crate) fn decoding() -> Self
    where
        T: Serialize + DeserializeOwned,
    {
        Self::of_side(Side::Ok)
    }

    /// Replays errors by decoding them.
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

    /// Replays a value by cloning it, while it is in this process's memory.
    #[must_use]
    pub(crate) fn cloning(self) -> Self
    where
        T: Clone + Send + Sync + 'static,
    {
        Self {
            remember: |value| Some(Box::new(CachedValue(Some(value)))),
            recall: |memo| memo.downcast_ref::<CachedValue<T>>()?.0.clone(),
            ..self
        }
    }

    /// What to record for a success. Never fails: if the value's own code panics, the success is unreplayable.
    ///
    /// The remembered value is the decoded one, so that replays from memory and from the store are the same.
    pub(crate) fn record(&self, value: &T, encoding: Encoding<'_>) -> Completion {
        let recorded = caught(|| {
            let (plain, decoded) = (self.encode)(value, encoding, self.side)?;
            let memo = (self.remember)(decoded);
            let payload = encoding.seal(plain).filter(|payload| payload.as_bytes().len() <= LARGEST)?;
            Some(payload.with_memo(memo))
        });
        recorded.map_or(Completion::Unreplayable, Completion::Result)
    }

    /// A clone of the value, if it is in this process's memory.
    #[inline]
    pub(crate) fn recall(&self, payload: &Payload, key: &Key) -> Option<T> {
        payload.memo(key).and_then(|memo| caught(|| (self.recall)(memo)))
    }

    /// Decodes the value.
    pub(crate) fn decode(&self, payload: &Payload, key: &Key) -> Result<T, PayloadError> {
        caught(|| Some((self.decode)(payload, self.side, key)))
            .unwrap_or_else(|| Err(PayloadError::Type("its `Deserialize` panicked".into())))
    }
}

/// Encodes the value and decodes it again. `None` if the decoded value does not serialize like the original.
fn encode_checked<T: Serialize + DeserializeOwned>(
    value: &T,
    encoding: Encoding<'_>,
    side: Side,
) -> Option<(Payload, T)> {
    // First, because `comparable` limits the depth of the value, and codecs do not.
    let known = comparable(value)?;
    let payload = Payload::encode(value, encoding.codec, side, encoding.key).ok()?;
    let decoded = payload.decode::<T>(side, encoding.key).ok()?;
    if comparable(&decoded).is_some_and(|decoded| decoded == known) {
        return Some((payload, decoded));
    }
    // A panic in the drop of the copy must not affect the call.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(decoded)));
    None
}

/// Runs code of the user (such as `Serialize`, `Clone` or `Seal`). `None` if it panics.
fn caught<T>(run: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok().flatten()
}

/// A value that is kept for later calls. Its drop may happen in any call and must not panic there.
struct CachedValue<T>(Option<T>);

impl<T> Drop for CachedValue<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
    }
}

impl<T, E> Clone for OutcomePolicy<T, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, E> Copy for OutcomePolicy<T, E> {}

impl<T, E> fmt::Debug for OutcomePolicy<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutcomePolicy")
    }
}

impl<T> Clone for ResultCodec<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ResultCodec<T> {}

impl<T> fmt::Debug for ResultCodec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResultCodec")
    }
}
