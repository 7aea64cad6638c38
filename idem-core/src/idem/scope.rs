//! An `Idem` for one future.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Idem;

thread_local! {
    static SCOPE: RefCell<Option<Idem>> = const { RefCell::new(None) };
}

/// A future with an `Idem` of its own; made by [`Idem::scope`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Scoped<F> {
    idem: Option<Idem>,
    future: Pin<Box<F>>,
}

impl Idem {
    /// Makes this `Idem` the ambient one for `future` and every guarded call that it polls. Scopes nest; tasks that `future`
    /// spawns are outside.
    pub fn scope<F: Future>(&self, future: F) -> Scoped<F> {
        Scoped { idem: Some(self.clone()), future: Box::pin(future) }
    }
}

impl<F> Scoped<F> {
    /// `future`, in the scope that this is in.
    pub(crate) fn inherit(future: F) -> Self {
        Self { idem: current(), future: Box::pin(future) }
    }
}

/// The innermost scope's `Idem`.
pub(super) fn current() -> Option<Idem> {
    SCOPE.with_borrow(Clone::clone)
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let outer = SCOPE.with_borrow_mut(|scope| std::mem::replace(scope, self.idem.clone()));
        let _restore = Restore(outer);
        self.future.as_mut().poll(cx)
    }
}

/// Puts the outer scope back, also when the future panics.
struct Restore(Option<Idem>);

impl Drop for Restore {
    fn drop(&mut self) {
        let inner = SCOPE.with_borrow_mut(|scope| std::mem::replace(scope, self.0.take()));
        // Dropped here, when the scope is no longer borrowed.
        drop(inner);
    }
}
