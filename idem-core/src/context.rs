//! The guarded call that the running code is part of. Each poll of a body sets it, so it works on any executor.

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

/// A guarded call, as its body sees it.
#[derive(Debug)]
pub(crate) struct Run {
    /// The engine's [`id`](crate::engine::Engine::id): the same key in another engine is another record.
    engine: usize,
    key: Key,
    outer: Option<Arc<Run>>,
    /// Whether the call has ended. A detached body inside it may still run.
    over: AtomicBool,
    /// Whether this library refused a guarded call in the body.
    refused: AtomicBool,
    granted: Mutex<Granted>,
    is_lost: AtomicBool,
    lost: Notify,
}

/// Attempt and fencing token of a grant. Both are 0 without one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Granted {
    pub(crate) attempt: u32,
    pub(crate) fence: u64,
}

/// How the guarded call of a `with_outcome` was answered.
#[derive(Debug)]
struct KindSlot {
    kind: Mutex<Option<Kind>>,
    /// That of the `with_outcome` around this one, which sees the same calls.
    around: Option<Arc<KindSlot>>,
}

#[derive(Debug, Default)]
struct Context {
    run: Option<Arc<Run>>,
    outcome: Option<Arc<KindSlot>>,
}

thread_local! {
    static CONTEXT: RefCell<Context> = const { RefCell::new(Context { run: None, outcome: None }) };
}

impl Run {
    /// Makes a call. It is inside the call that is being polled, if there is one.
    pub(crate) fn new(engine: usize, key: Key) -> Arc<Self> {
        Arc::new(Self {
            engine,
            key,
            outer: CONTEXT.with_borrow(|context| context.run.clone()),
            over: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            granted: Mutex::default(),
            is_lost: AtomicBool::new(false),
            lost: Notify::new(),
        })
    }

    /// Whether the running code is part of a body of this key and engine.
    pub(crate) fn is_inside(engine: usize, key: &Key) -> bool {
        CONTEXT.with_borrow(|context| {
            let outward = std::iter::successors(context.run.as_deref(), |run| run.outer.as_deref());
            outward.into_iter().any(|run| run.engine == engine && run.key == *key && !run.over.load(Ordering::Relaxed))
        })
    }

    /// The call has ended or was dropped. Its lease counts as lost from now on.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.lose();
    }

    /// Whether this library refused a guarded call in the body: the body's error may be that refusal.
    pub(crate) fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Forgets that a guarded call in `reconcile` was refused, because the body's error is not that refusal.
    pub(crate) fn clear_refusal(&self) {
        self.refused.store(false, Ordering::Relaxed);
    }

    /// Keeps the attempt and the fencing token of a grant. The lease no longer counts as lost.
    pub(crate) fn grant(&self, granted: Granted) {
        if !self.over.load(Ordering::Relaxed) {
            self.is_lost.store(false, Ordering::SeqCst);
        }
        *self.granted.lock().unwrap_or_else(PoisonError::into_inner) = granted;
    }

    fn granted(&self) -> Granted {
        *self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the lease as lost. Returns `false` if it was already lost.
    pub(crate) fn lose(&self) -> bool {
        let first = !self.is_lost.swap(true, Ordering::SeqCst);
        self.lost.notify_waiters();
        first
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::SeqCst)
    }

    /// Polls a body as part of this call.
    pub(crate) fn poll<T>(self: &Arc<Self>, poll: impl FnOnce() -> T) -> T {
        // `outcome` is `None`, because `with_outcome` reports the outermost guarded call, not calls inside its body.
        let _restore = enter(Context { run: Some(Arc::clone(self)), outcome: None });
        poll()
    }
}

/// Makes `future` part of the body that creates it, even if another task polls it.
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

/// Tells the call around that this library refused a guarded call in its body.
pub(crate) fn note_refusal() {
    CONTEXT.with_borrow(|context| {
        if let Some(run) = &context.run {
            run.refused.store(true, Ordering::Relaxed);
        }
    });
}

/// Tells each `with_outcome` around how a guarded call was answered; `None` if it was refused.
pub(crate) fn report(kind: Option<Kind>) {
    CONTEXT.with_borrow(|context| {
        let outward = std::iter::successors(context.outcome.as_deref(), |outcome| outcome.around.as_deref());
        outward.for_each(|outcome| *outcome.kind.lock().unwrap_or_else(PoisonError::into_inner) = kind);
    });
}

/// Runs `future` and returns how the guarded call in it was answered.
///
/// The kind is that of the last outermost guarded call: calls inside its body do not count. It is `None` if that call was
/// refused, or if there was none. Calls in tasks that `future` spawns do not count. Nested `with_outcome`s see the same calls.
///
/// # Cancel safety
/// Dropping it drops `future`.
pub async fn with_outcome<F: Future>(future: F) -> (F::Output, Option<Kind>) {
    let around = CONTEXT.with_borrow(|context| context.outcome.clone());
    let outcome = Arc::new(KindSlot { kind: Mutex::new(None), around });
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

/// Restores the context, even if the body panics.
struct Restore(Context);

impl Drop for Restore {
    fn drop(&mut self) {
        let inner = CONTEXT.with_borrow_mut(|current| std::mem::replace(current, std::mem::take(&mut self.0)));
        // Dropped here because its drop may read the context, which must not be borrowed then.
        drop(inner);
    }
}
