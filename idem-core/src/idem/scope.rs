//! The ambient `Idem` of one future.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Idem;

thread_local! {
    static SCOPE: RefCell<Option<Idem>> = const { RefCell::new(None) };
}

/// A future with an ambient `Idem`; made by [`Idem::scope`].
///
/// ```
/// use idem_core::{Idem, MokaStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let idem = Idem::new(MokaStore::new());
/// // In `handle`, functions with `#[idempotent]` use `idem`.
/// let handle = async { 200 };
/// assert_eq!(idem.scope(handle).await, 200);
/// # }
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Scoped<F> {
    idem: Option<Idem>,
    future: Pin<Box<F>>,
}

impl Idem {
    /// Makes this `Idem` the ambient one for every guarded call that `future` polls.
    ///
    /// Scopes nest: the innermost one counts. Tasks that `future` spawns are outside the scope.
    pub fn scope<F: Future>(&self, future: F) -> Scoped<F> {
        Scoped { idem: Some(self.clone()), future: Box::pin(future) }
    }
}

impl<F> Scoped<F> {
    /// Gives `future` the ambient `Idem` of the current scope.
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

/// Restores the outer scope, even if the future panics.
struct Restore(Option<Idem>);

impl Drop for Restore {
    fn drop(&mut self) {
        let inner = SCOPE.with_borrow_mut(|scope| std::mem::replace(scope, self.0.take()));
        // Dropped only now, when the scope is not borrowed: the drop of an `Idem` may enter the scope again.
        drop(inner);
    }
}
