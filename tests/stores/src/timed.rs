//! A real store under tokio's paused clock.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use idem::{
    Claim, Claimed, Clock as _, Finish, Key, List, Owner, Ownership, Page, Record, SaveStep, Settle, Settled, Store,
    StoreError,
};
use idem_testing::Clock;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// A store whose clock is set to the test's before each verb.
///
/// The verbs run where time is real. Tokio does not let a paused clock run on while a thread of its own is at work: so, by the
/// test's clock, the store answers at once.
#[derive(Clone)]
pub struct Timed {
    store: Arc<dyn Store>,
    clock: Clock,
    set: Arc<dyn Fn(u64) + Send + Sync>,
    verbs: &'static Verbs,
}

type Verb<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// The verbs of one test.
#[derive(Debug, Default)]
struct Verbs {
    asked: AtomicUsize,
    under_way: AtomicUsize,
}

thread_local! {
    /// Those of the test that runs on this thread.
    static VERBS: Cell<Option<&'static Verbs>> = const { Cell::new(None) };
}

/// Whether no verb of this thread's test is under way.
pub fn is_idle() -> bool {
    VERBS.get().is_none_or(|verbs| verbs.under_way.load(Ordering::SeqCst) == 0)
}

/// How many verbs this thread's test has asked.
pub fn asked() -> usize {
    VERBS.get().map_or(0, |verbs| verbs.asked.load(Ordering::SeqCst))
}

/// Where time is real.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
    })
}

/// What the suite's clock shows when it is made.
pub(crate) const START: u64 = 1_700_000_000_000_000;

/// What a future comes to where time is real; on a thread of its own, for a runtime must not wait for another on one.
pub(crate) fn apart<F: Future<Output: Send> + Send>(future: F) -> F::Output {
    std::thread::scope(|scope| scope.spawn(|| runtime().block_on(future)).join().expect("it does not panic"))
}

impl Timed {
    pub(crate) fn new(store: impl Store, clock: Clock, set: impl Fn(u64) + Send + Sync + 'static) -> Self {
        // A few bytes a test.
        let verbs: &'static Verbs = Box::leak(Box::default());
        VERBS.set(Some(verbs));
        Self { store: Arc::new(store), clock, set: Arc::new(set), verbs }
    }

    async fn ask<T: Send + 'static>(
        &self,
        verb: impl FnOnce(Arc<dyn Store>) -> Verb<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (this, now) = (self.clone(), self.clock.now().as_micros());
        let (tell, told) = oneshot::channel();
        this.verbs.asked.fetch_add(1, Ordering::SeqCst);
        this.verbs.under_way.fetch_add(1, Ordering::SeqCst);
        tokio::task::spawn_blocking(move || {
            let _ended = Ended(this.verbs);
            (this.set)(now);
            // Whoever asked is woken before the verb counts as ended.
            let _ = tell.send(runtime().block_on(verb(Arc::clone(&this.store))));
        });
        told.await.expect("it does not panic")
    }
}

/// A verb counts until it was answered.
struct Ended(&'static Verbs);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Store for Timed {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        let (key, claim) = (key.clone(), *claim);
        self.ask(move |store| Box::pin(async move { store.claim(&key, &claim).await })).await
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        let key = key.clone();
        self.ask(move |store| Box::pin(async move { store.renew(&key, owner).await })).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        let (key, finish) = (key.clone(), finish.clone());
        self.ask(move |store| Box::pin(async move { store.finish(&key, &finish).await })).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let key = key.clone();
        self.ask(move |store| Box::pin(async move { store.load(&key).await })).await
    }

    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        let (key, save) = (key.clone(), save.clone());
        self.ask(move |store| Box::pin(async move { store.save_step(&key, &save).await })).await
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        let (key, settle) = (key.clone(), settle.clone());
        self.ask(move |store| Box::pin(async move { store.settle(&key, &settle).await })).await
    }

    async fn list(&self, list: &List) -> Result<Page, StoreError> {
        let list = list.clone();
        self.ask(move |store| Box::pin(async move { store.list(&list).await })).await
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.ask(move |store| Box::pin(async move { store.sweep(limit).await })).await
    }
}

impl fmt::Debug for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timed").field("store", &self.store).finish_non_exhaustive()
    }
}
