//! The requirements on the return type of a function with `#[idempotent]`, each checked once and at one place.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::engine::guard::{report_answer, Answer};
use crate::error::Error;
use crate::results::OutcomePolicy;
use crate::results::ResultCodec;

/// How the function's results are recorded, and how this library's errors become the function's.
pub struct Returns<T, E> {
    pub(super) rules: OutcomePolicy<T, E>,
    pub(super) error: fn(Error) -> E,
}

/// Makes a [`Returns`] of a type that meets all requirements.
#[must_use]
pub fn returns<R>() -> Returns<R::Ok, R::Err>
where
    R: ReturnType,
    R::Ok: Recorded,
    R::Err: FromError,
{
    Returns { rules: OutcomePolicy::new(Recorded::replay()), error: FromError::from_error }
}

/// Like [`returns`], for an error type with a `map_err` function.
#[must_use]
pub fn returns_with<R>(error: fn(Error) -> R::Err) -> Returns<R::Ok, R::Err>
where
    R: ReturnType,
    R::Ok: Recorded,
{
    Returns { rules: OutcomePolicy::new(Recorded::replay()), error }
}

impl<T, E> Returns<T, E> {
    /// Sets whether a replay from memory clones the value or decodes it.
    #[must_use]
    pub fn remember(self, memory: Memory<T>) -> Self {
        Self { rules: OutcomePolicy { codec: (memory.0)(self.rules.codec), ..self.rules }, ..self }
    }

    /// Sets which values count as success.
    #[must_use]
    pub fn record_if(self, record_if: fn(&T) -> bool) -> Self {
        Self { rules: OutcomePolicy { record_if: Some(record_if), ..self.rules }, ..self }
    }

    /// Sets which errors are recorded and replayed.
    #[must_use]
    pub fn record_err(self, record_err: fn(&E) -> bool) -> Self
    where
        E: RecordedErr,
    {
        Self { rules: OutcomePolicy { record_err: Some((record_err, E::replay())), ..self.rules }, ..self }
    }

    /// Makes the function's return value of a call's answer.
    #[inline]
    pub(super) fn answer(&self, answer: Answer<T, E>) -> Result<T, E> {
        report_answer(answer).map_or_else(|error| Err((self.error)(error)), |(outcome, _)| outcome)
    }

    /// Sets which errors mean that the effect may or may not have happened.
    #[must_use]
    pub fn unknown_err(self, unknown_err: fn(&E) -> bool) -> Self {
        Self { rules: OutcomePolicy { unknown_err: Some(unknown_err), ..self.rules }, ..self }
    }
}

impl<T, E> Clone for Returns<T, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, E> Copy for Returns<T, E> {}

impl<T, E> fmt::Debug for Returns<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Returns")
    }
}

/// A `Result`.
#[diagnostic::on_unimplemented(
    message = "an idempotent function returns a `Result`, not `{Self}`",
    label = "not a `Result`",
    note = "the error side is how the caller hears that the store is down or that another call is running"
)]
pub trait ReturnType {
    /// The success.
    type Ok;
    /// The error.
    type Err;

    #[doc(hidden)]
    fn of(result: Result<Self::Ok, Self::Err>) -> Self;

    #[doc(hidden)]
    fn result(self) -> Result<Self::Ok, Self::Err>;
}

impl<T, E> ReturnType for Result<T, E> {
    type Ok = T;
    type Err = E;

    fn of(result: Self) -> Self {
        result
    }

    fn result(self) -> Self {
        self
    }
}

/// A success that can be recorded.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded for replay",
    label = "needs `serde::Serialize` and `serde::de::DeserializeOwned`",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to your type",
    note = "for a response type such as `Json<T>` or `Response<T>`: return your own type and annotate the service function, or use `idem-http`"
)]
pub trait Recorded: Sized {
    #[doc(hidden)]
    fn replay() -> ResultCodec<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Recorded for T {
    fn replay() -> ResultCodec<Self> {
        ResultCodec::decoding()
    }
}

/// Accepts every error: for `record_err` without a function.
pub fn every<E>(_: &E) -> bool {
    true
}

/// An error that can be recorded.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded for replay",
    label = "`record_err` needs `serde::Serialize` and `serde::de::DeserializeOwned`",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to your error, or leave `record_err` out"
)]
pub trait RecordedErr: Sized {
    #[doc(hidden)]
    fn replay() -> ResultCodec<Self>;
}

#[diagnostic::do_not_recommend]
impl<E: Serialize + DeserializeOwned> RecordedErr for E {
    fn replay() -> ResultCodec<Self> {
        ResultCodec::decoding_errors()
    }
}

/// An error that can be made from this library's [`Error`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from an `idem::Error`",
    label = "needs `From<idem::Error>`",
    note = "add a variant to your error: `#[error(transparent)] Idempotency(#[from] idem::Error)`",
    note = "or name a function that makes one: `map_err = PATH`, a `fn(idem::Error) -> E`"
)]
pub trait FromError {
    #[doc(hidden)]
    fn from_error(error: Error) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<Error>> FromError for E {
    fn from_error(error: Error) -> Self {
        error.into()
    }
}

/// How a replay from memory makes a result: by cloning or decoding.
#[derive(Debug)]
pub struct Memory<T>(fn(ResultCodec<T>) -> ResultCodec<T>);

/// Finds out, for a concrete type, whether results can be cloned. Method lookup starts at `&&Probe`: it prefers [`Remember`],
/// falls back to [`DecodeOnly`] if its bounds do not hold, and to [`Nothing`] if the type is not a `Result`.
#[derive(Debug)]
pub struct Probe<R>(PhantomData<fn() -> R>);

impl<R> Probe<R> {
    /// Makes a probe of the return type `R`.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<R> Default for Probe<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> Clone for Probe<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Probe<R> {}

/// Results that can be cloned.
pub trait Remember<T> {
    /// Clones them.
    fn memory(&self) -> Memory<T>;
}

impl<T: Clone + Send + Sync + 'static, E> Remember<T> for &Probe<Result<T, E>> {
    fn memory(&self) -> Memory<T> {
        Memory(ResultCodec::cloning)
    }
}

/// Results that must be decoded for each replay.
pub trait DecodeOnly<T> {
    /// Decodes them.
    fn memory(&self) -> Memory<T>;
}

impl<T, E> DecodeOnly<T> for Probe<Result<T, E>> {
    fn memory(&self) -> Memory<T> {
        Memory(|replay| replay)
    }
}

/// Types that are not a `Result`. [`ReturnType`] reports that mistake.
pub trait Nothing {
    /// Does nothing.
    fn memory<T>(self) -> Memory<T>;
}

impl<R> Nothing for Probe<R> {
    fn memory<T>(self) -> Memory<T> {
        Memory(|replay| replay)
    }
}
