//! What a body's own code can know of the run it is part of, on any executor: it is set whenever the body is polled.

mod current;

use std::cell::RefCell;
use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::{Arc, PoisonError};

use tokio::sync::Notify;

pub use current::{current, Current};

use crate::key::Key;
use crate::outcome::Kind;
use crate::sync::atomic::{AtomicBool, Ordering};
#[cfg(shuttle)]
use crate::sync::Local as _;
use crate::sync::{thread_local, Mutex};

/// A run whose body is being polled.
#[derive(Debug)]
pub(crate) struct Run {
    /// Which engine runs it; the same key elsewhere is another record.
    engine: usize,
    key: Key,
    outer: Option<Arc<Run>>,
    /// Its call has ended; a detached body inside it may go on.
    over: AtomicBool,
    /// Its body has ended, and the record is to know how.
    body_ended: AtomicBool,
    /// A guarded call in its body was refused by this library.
    refused: AtomicBool,
    granted: Mutex<Granted>,
    is_lost: AtomicBool,
    lost: Notify,
}

/// What the store said when it granted the key.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Granted {
    pub(crate) attempt: u32,
    pub(crate) fence: u64,
}

/// Where a `with_outcome` wants the kind to be left.
#[derive(Debug)]
struct Outcome {
    kind: Mutex<Option<Kind>>,
    /// That of the `with_outcome` around it, which asks after the same calls.
    around: Option<Arc<Outcome>>,
}

#[derive(Debug, Default)]
struct Context {
    run: Option<Arc<Run>>,
    outcome: Option<Arc<Outcome>>,
}

thread_local! {
    static CONTEXT: RefCell<Context> = const { RefCell::new(Context { run: None, outcome: None }) };
}

impl Run {
    /// A run inside the one that is being polled.
    pub(crate) fn new(engine: usize, key: Key) -> Arc<Self> {
        Arc::new(Self {
            engine,
            key,
            outer: CONTEXT.with_borrow(|context| context.run.clone()),
            over: AtomicBool::new(false),
            body_ended: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            granted: Mutex::default(),
            is_lost: AtomicBool::new(false),
            lost: Notify::new(),
        })
    }

    /// Whether the code that asks is part of a body that runs for this very key.
    pub(crate) fn is_inside(engine: usize, key: &Key) -> bool {
        CONTEXT.with_borrow(|context| {
            let outward = std::iter::successors(context.run.as_deref(), |run| run.outer.as_deref());
            outward.into_iter().any(|run| run.engine == engine && run.key == *key && !run.over.load(Ordering::Relaxed))
        })
    }

    /// The call of this run has ended, or its caller is gone; and with it the lease.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.lose();
    }

    /// From now on whether the lease is lost shows in what becomes of the ending.
    pub(crate) fn body_ended(&self) {
        self.body_ended.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_body_ended(&self) -> bool {
        self.body_ended.load(Ordering::Relaxed)
    }

    /// Whether a guarded call in its body was refused: the body's error may be that refusal.
    pub(crate) fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// What was refused is no concern of what comes next.
    pub(crate) fn forgive(&self) {
        self.refused.store(false, Ordering::Relaxed);
    }

    /// The key was granted.
    pub(crate) fn grant(&self, granted: Granted) {
        if !self.over.load(Ordering::Relaxed) {
            self.is_lost.store(false, Ordering::SeqCst);
        }
        *self.granted.lock().unwrap_or_else(PoisonError::into_inner) = granted;
    }

    fn granted(&self) -> Granted {
        *self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lease is gone; says whether that is news.
    pub(crate) fn lose(&self) -> bool {
        let news = !self.is_lost.swap(true, Ordering::SeqCst);
        self.lost.notify_waiters();
        news
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::SeqCst)
    }

    /// Polls a body as part of this run.
    pub(crate) fn poll<T>(self: &Arc<Self>, poll: impl FnOnce() -> T) -> T {
        // Calls inside the body are not the outermost ones, so their outcomes are not asked for.
        let _restore = enter(Context { run: Some(Arc::clone(self)), outcome: None });
        poll()
    }
}

/// What is polled inside the body that this is in, also when somebody else polls it.
pub(crate) fn inherit<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let run = CONTEXT.with_borrow(|context| context.run.clone());
    async move {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            let _restore = enter(Context { run: run.clone(), outcome: None });
            future.as_mut().poll(cx)
        })
        .await
    }
}

/// Says that a guarded call was refused, to the body around it.
pub(crate) fn refused() {
    CONTEXT.with_borrow(|context| {
        if let Some(run) = &context.run {
            run.refused.store(true, Ordering::Relaxed);
        }
    });
}

/// Says how a guarded call was answered, to each `with_outcome` around it; `None` when it begins.
pub(crate) fn report(kind: Option<Kind>) {
    CONTEXT.with_borrow(|context| {
        let outward = std::iter::successors(context.outcome.as_deref(), |outcome| outcome.around.as_deref());
        outward.for_each(|outcome| *outcome.kind.lock().unwrap_or_else(PoisonError::into_inner) = kind);
    });
}

/// Runs `future` and says how the guarded call in it was answered.
///
/// The kind is that of the last outermost guarded call: calls made inside its body do not count. It is `None` when that
/// call was refused, or there was none. Calls in tasks that `future` spawns are not seen. One `with_outcome` around another
/// hears of the same calls.
///
/// # Cancellation
/// Dropping it drops `future`.
pub async fn with_outcome<F: Future>(future: F) -> (F::Output, Option<Kind>) {
    let around = CONTEXT.with_borrow(|context| context.outcome.clone());
    let outcome = Arc::new(Outcome { kind: Mutex::new(None), around });
    let mut future = pin!(future);
    let output = std::future::poll_fn(|cx| {
        let run = CONTEXT.with_borrow(|context| context.run.clone());
        let _restore = enter(Context { run, outcome: Some(outcome.clone()) });
        Pin::new(&mut future).poll(cx)
    })
    .await;
    let kind = *outcome.kind.lock().unwrap_or_else(PoisonError::into_inner);
    (output, kind)
}

fn enter(context: Context) -> Restore {
    Restore(CONTEXT.with_borrow_mut(|current| std::mem::replace(current, context)))
}

/// Puts the context back, also when the body panics.
struct Restore(Context);

impl Drop for Restore {
    fn drop(&mut self) {
        let inner = CONTEXT.with_borrow_mut(|current| std::mem::replace(current, std::mem::take(&mut self.0)));
        // Dropped here, when the context is no longer borrowed.
        drop(inner);
    }
}
