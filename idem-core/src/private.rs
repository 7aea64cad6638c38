//! The functions that the expansion of `#[idempotent]` calls. Not part of the public interface.

mod returns;
mod testing;

use std::fmt;
use std::future::Future;
use std::pin::{pin, Pin};
use std::task::{Context, Poll};

pub use std::time::Duration;

pub use crate::engine::guard::Guard;
pub use crate::idem::{Idem, Options};
pub use crate::operation::Site;
pub use returns::{every, returns, returns_with, DecodeOnly, Memory, Nothing, Probe, Remember, ReturnType, Returns};

pub use testing::{every_error, recorded, replays, seed_jitter, with_checksum};

use crate::context::report;
use crate::engine::guard::{refuse, Answer, Start};
use crate::error::Error;
use crate::idem::{ambient, IdemRef, Scoped};
use crate::key::{KeyPart, KeyWriter};

/// Calls the statements of a function that returns a future. They are a closure, so that a `return` ends only them.
pub fn once<R, F: Future<Output = R>, S: FnOnce() -> F>(statements: S) -> F {
    statements()
}

/// Begins a guarded call: clears the kind that `with_outcome` got from an earlier one.
pub fn called() {
    report(None);
}

/// The options of a call site, on the `Idem` that it names or the ambient one.
pub fn operation(site: &'static Site, idem: Option<&Idem>) -> Result<Options, Error> {
    let name = site.name()?;
    Ok(Options::new(idem.cloned().map(IdemRef::Shared).map_or_else(|| ambient(name), Ok)?, name.into()))
}

/// The `Idem` that a call site names. A function of this crate, not `Some`: rustc shows where a mismatched argument is declared,
/// and shows lines of the standard library only where the component `rust-src` is installed.
pub const fn named(idem: &Idem) -> Option<&Idem> {
    Some(idem)
}

/// Starts the call: `Err` is the answer, to be returned; `Ok` is the guard to continue with.
///
/// This function and those below name the function's return type `R`, so that a type that is not a `Result` is reported once,
/// at the same place.
pub fn start<R: ReturnType>(operation: Result<Options, Error>, returns: &Returns<R::Ok, R::Err>) -> Result<Guard, R> {
    match operation {
        // By reference, because moving it is slow.
        Ok(ref options) => match options.start() {
            Ok(Start::Guarded(guard)) => Ok(guard),
            // The value itself comes first, without the detour through `Answer`: each move of it costs more than this look.
            Ok(Start::Recorded(key, payload)) => match returns.rules.codec.recall(&payload, key) {
                Some(value) => {
                    options.replayed();
                    Err(R::of(Ok(value)))
                }
                None => Err(answer(returns, options.replay(key, &payload, &returns.rules))),
            },
            Err(error) => Err(answer(returns, Err(error))),
        },
        Err(error) => Err(answer(returns, Err(refuse(error)))),
    }
}

/// Runs the body under its guard, or returns another call's result.
pub async fn execute<R: ReturnType>(
    guard: &mut Guard,
    returns: &Returns<R::Ok, R::Err>,
    body: Pin<&mut impl Future<Output = R>>,
) -> R {
    answer(returns, guard.execute(&returns.rules, pin!(AsResult(body))).await)
}

/// Like [`execute`], but runs the body and records its outcome in a task of its own.
pub async fn detached<R: ReturnType>(
    mut guard: Guard,
    returns: Returns<R::Ok, R::Err>,
    body: impl Future<Output = R> + Send + 'static,
) -> R
where
    R::Ok: Send + 'static,
    R::Err: Send + 'static,
{
    if let Err(error) = guard.can_detach() {
        return answer(&returns, Err(error));
    }
    match guard.begin(&returns.rules).await.transpose() {
        Some(begun) => answer(&returns, begun),
        None => run_detached(guard, returns, body).await,
    }
}

/// The output of a `reconcile` future.
pub type Found<R> = Result<Option<<R as ReturnType>::Ok>, <R as ReturnType>::Err>;

/// The first half of a call with `reconcile`: `Err` is the answer, to be returned; `Ok` is the guard to run the body under.
pub async fn begin<R: ReturnType>(
    mut guard: Guard,
    returns: &Returns<R::Ok, R::Err>,
    reconcile: impl Future<Output = Found<R>>,
    detached: bool,
) -> Result<Guard, R> {
    if detached {
        guard.can_detach().map_err(|error| answer(returns, Err(error)))?;
    }
    match guard.begin_reconciling(&returns.rules, || Some(reconcile)).await.transpose() {
        Some(begun) => Err(answer(returns, begun)),
        None => Ok(guard),
    }
}

/// The second half: runs the body and records its outcome.
pub async fn run<R: ReturnType>(
    guard: &mut Guard,
    returns: &Returns<R::Ok, R::Err>,
    body: Pin<&mut impl Future<Output = R>>,
) -> R {
    answer(returns, Ok(guard.run(&returns.rules, pin!(AsResult(body))).await))
}

/// Like [`run`], in a task of its own.
pub async fn run_detached<R: ReturnType>(
    guard: Guard,
    returns: Returns<R::Ok, R::Err>,
    body: impl Future<Output = R> + Send + 'static,
) -> R
where
    R::Ok: Send + 'static,
    R::Err: Send + 'static,
{
    let body = AsResult(Box::pin(body));
    answer(&returns, guard.run_detached(returns.rules, Box::pin(Scoped::inherit(body))).await)
}

/// Makes the function's return value of a call's answer.
#[inline]
fn answer<R: ReturnType>(returns: &Returns<R::Ok, R::Err>, answer: Answer<R::Ok, R::Err>) -> R {
    R::of(returns.answer(answer))
}

/// A body whose output is known to be a `Result`.
struct AsResult<F>(F);

impl<F> Future for AsResult<F>
where
    F: Future + Unpin,
    F::Output: ReturnType,
{
    type Output = Result<<F::Output as ReturnType>::Ok, <F::Output as ReturnType>::Err>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(ReturnType::result)
    }
}

/// One element of a tuple key. [`part`] requires that it is a [`KeyPart`]; this type requires nothing, so that the compiler
/// reports a mistake once.
pub struct Part<'a, K: ?Sized> {
    part: &'a K,
    write: fn(&K, &mut KeyWriter),
}

/// Requires that `part` is a [`KeyPart`].
pub fn part<K: KeyPart + ?Sized>(part: &K) -> Part<'_, K> {
    Part { part, write: K::write_to }
}

impl<K: ?Sized> KeyPart for Part<'_, K> {
    fn write_to(&self, key: &mut KeyWriter) {
        (self.write)(self.part, key);
    }
}

impl<K: ?Sized> fmt::Debug for Part<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Part")
    }
}

/// The text of a placeholder of a key template.
#[derive(Debug)]
pub struct Placeholder(String);

/// Formats a placeholder.
pub fn placeholder(value: &(impl fmt::Display + ?Sized)) -> Placeholder {
    Placeholder(value.to_string())
}

impl KeyPart for Placeholder {
    fn write_to(&self, key: &mut KeyWriter) {
        key.placeholder(&self.0);
    }
}
