//! What the tests share.

mod explore;
mod shelf;

use std::future::Future;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use idem_core::{CallError, Idem, Key, OperationBuilder, Outcome};

pub(crate) use explore::{explore, Time};
pub(crate) use shelf::Shelf;
pub(crate) use tokio::spawn;
pub(crate) use tokio::task::yield_now;
pub(crate) use tokio::time::{since_the_beginning, sleep};

pub(crate) type Answer = Result<Outcome<usize>, CallError<&'static str>>;

/// A handle on a store, as a process has it. It waits for an hour.
pub(crate) fn process(shelf: &Shelf) -> Idem {
    Idem::builder(shelf.clone()).wait(Duration::from_secs(3600)).build().expect("good settings")
}

/// The lease and the TTL of a call that says neither.
pub(crate) const LEASE: Duration = Duration::from_secs(15);
pub(crate) const TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The key of [`op`].
pub(crate) fn key() -> Key {
    Key::new("", "op", "k").expect("a valid key")
}

pub(crate) fn op(idem: &Idem) -> OperationBuilder {
    idem.operation("op").key("k")
}

/// Bodies, and how many of them there are. It is of no interest to the scheduler.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bodies(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    began: AtomicUsize,
    running: AtomicUsize,
}

impl Bodies {
    pub(crate) fn began(&self) -> usize {
        self.0.began.load(Ordering::SeqCst)
    }

    pub(crate) fn running(&self) -> usize {
        self.0.running.load(Ordering::SeqCst)
    }

    /// A body begins; it runs until that is dropped. Its number counts from 1.
    pub(crate) fn begin(&self) -> (usize, Running) {
        self.0.running.fetch_add(1, Ordering::SeqCst);
        (self.0.began.fetch_add(1, Ordering::SeqCst) + 1, Running(self.clone()))
    }

    /// A body that is interrupted a few times and comes to its number.
    pub(crate) async fn run(self) -> Result<usize, &'static str> {
        let (number, _running) = self.begin();
        yield_now().await;
        yield_now().await;
        Ok(number)
    }
}

#[derive(Debug)]
pub(crate) struct Running(Bodies);

impl Drop for Running {
    fn drop(&mut self) {
        self.0 .0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) fn value(answer: Answer) -> usize {
    answer.expect("an outcome").into_inner()
}

/// Nothing is left of all calls.
pub(crate) fn nothing_is_left(idem: &Idem) {
    let shown = format!("{idem:?}");
    for count in ["slots: 0", "under_way: 0"] {
        assert!(shown.contains(count), "no {count}: {shown}");
    }
}

/// All has ended, also what goes on in the background; and nothing is left.
pub(crate) async fn all_ends(idem: &Idem) {
    assert_eq!(idem.drain(Duration::from_secs(3600)).await, 0, "calls under way");
    nothing_is_left(idem);
}

/// A future that somebody may drop at any time.
pub(crate) struct Cut<F> {
    future: Option<Pin<Box<F>>>,
    scissors: Scissors,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Scissors(Arc<(AtomicBool, Mutex<Option<Waker>>)>);

impl Scissors {
    pub(crate) fn on<F>(&self, future: F) -> Cut<F> {
        Cut { future: Some(Box::pin(future)), scissors: self.clone() }
    }

    pub(crate) fn cut(&self) {
        self.0 .0.store(true, Ordering::SeqCst);
        let waker = self.0 .1.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<F: Future> Future for Cut<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.scissors.0 .0.load(Ordering::SeqCst) {
            self.future = None;
            return Poll::Ready(None);
        }
        *self.scissors.0 .1.lock().unwrap() = Some(cx.waker().clone());
        match &mut self.future {
            Some(future) => future.as_mut().poll(cx).map(Some),
            None => Poll::Ready(None),
        }
    }
}

/// Futures that are not polled between [`begin`](Self::begin) and [`end`](Self::end), as in an arm of a `select!` whose other
/// arm is busy. A clone is the same stall.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stall(Arc<(AtomicBool, Mutex<Option<Waker>>)>);

impl Stall {
    pub(crate) fn on<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        let (stall, mut future) = (self.clone(), Box::pin(future));
        std::future::poll_fn(move |cx| {
            *stall.0 .1.lock().unwrap() = Some(cx.waker().clone());
            if stall.0 .0.load(Ordering::SeqCst) {
                return Poll::Pending;
            }
            future.as_mut().poll(cx)
        })
    }

    pub(crate) fn begin(&self) {
        self.0 .0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn end(&self) {
        self.0 .0.store(false, Ordering::SeqCst);
        let waker = self.0 .1.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What a future comes to, or that it panicked.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, ()> {
    let mut future = Box::pin(future);
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(Err(())),
    })
    .await
}
