//! What `#[idempotent]` expands to calls on. Not part of the public interface.

mod returns;
mod testing;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

pub use std::time::Duration;

pub use crate::engine::guard::Guard;
pub use crate::idem::{Idem, OperationBuilder};
pub use crate::operation::Site;
pub use returns::{every, returns, returns_with, DecodeOnly, Memory, Probe, Remember, ReturnType, Returns};

pub use testing::{every_error, recorded, replays};

use crate::context::report;
use crate::engine::guard::Started;
use crate::engine::observe;
use crate::error::Error;
use crate::idem::{ambient, Scoped};
use crate::key::{KeyPart, KeyWriter};
use crate::outcome::Kind;

/// A guarded call begins: whatever `with_outcome` knows is of an earlier one.
pub fn called() {
    report(None);
}

/// The operation of a call site, on the `Idem` it names or the ambient one.
pub fn operation(site: &'static Site, idem: Option<&Idem>) -> Result<OperationBuilder, Error> {
    let name = site.name()?;
    Ok(OperationBuilder::new(idem.cloned().map_or_else(|| ambient(name), Ok)?, name.into()))
}

/// Answers at once (`Err`, to be returned), or goes on with a guard.
pub fn start<T, E>(operation: Result<OperationBuilder, Error>, returns: &Returns<T, E>) -> Result<Guard, Result<T, E>> {
    // Without an operation there was nothing to start.
    let operation = operation.inspect_err(observe::refused);
    match operation.and_then(|operation| operation.start(&returns.rules)) {
        Ok(Started::Guarded(guard)) => Ok(guard),
        Ok(Started::Answered(recorded)) => Err(returns.answer(Ok((recorded, Kind::Replayed)))),
        Err(error) => Err(returns.answer(Err(error))),
    }
}

/// Runs the body under its guard, or answers with another call's result.
pub async fn execute<F, T, E>(guard: &mut Guard, returns: &Returns<T, E>, body: Pin<&mut F>) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    returns.answer(guard.execute(&returns.rules, body).await)
}

/// The same, with body and record in a task of their own.
pub async fn detached<F, T, E>(mut guard: Guard, returns: Returns<T, E>, body: F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    if let Err(error) = guard.can_detach() {
        return returns.answer(Err(error));
    }
    match guard.begin(&returns.rules).await.transpose() {
        Some(answer) => returns.answer(answer),
        None => run_detached(guard, returns, body).await,
    }
}

/// What a future that can find out what became of an earlier attempt comes to.
pub type Found<R> = Result<Option<<R as ReturnType>::Ok>, <R as ReturnType>::Err>;

/// The first half of a call that can find out what became of an earlier attempt: an answer, to be returned, or the guard to
/// run the body under.
pub async fn begin<F, T, E>(
    mut guard: Guard,
    returns: &Returns<T, E>,
    reconcile: F,
    detached: bool,
) -> Result<Guard, Result<T, E>>
where
    F: Future<Output = Result<Option<T>, E>>,
{
    if detached {
        guard.can_detach().map_err(|error| returns.answer(Err(error)))?;
    }
    match guard.begin_reconciling(&returns.rules, || Some(reconcile)).await.transpose() {
        Some(answer) => Err(returns.answer(answer)),
        None => Ok(guard),
    }
}

/// The second half: the body and its record.
pub async fn run<F, T, E>(guard: &mut Guard, returns: &Returns<T, E>, body: Pin<&mut F>) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    returns.answer(Ok(guard.run(&returns.rules, body).await))
}

/// The second half in a task of its own.
pub async fn run_detached<F, T, E>(guard: Guard, returns: Returns<T, E>, body: F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    returns.answer(guard.run_detached(returns.rules, Box::pin(Scoped::inherit(body))).await)
}

/// One element of a tuple that is a key. That it can be a part was asked when it was made, and is asked of nothing else.
pub struct Part<'a, K: ?Sized> {
    part: &'a K,
    write: fn(&K, &mut KeyWriter),
}

/// Asks whether `part` can be a part of a key.
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

/// What a placeholder of a key template came out as.
#[derive(Debug)]
pub struct Placeholder(String);

/// Renders a placeholder.
pub fn placeholder(value: &(impl fmt::Display + ?Sized)) -> Placeholder {
    Placeholder(value.to_string())
}

impl KeyPart for Placeholder {
    fn write_to(&self, key: &mut KeyWriter) {
        key.placeholder(&self.0);
    }
}
