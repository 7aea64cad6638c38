//! A harness: a store that counts, pauses and fails on demand, and an operation that counts its runs.

mod broken;
mod versions;

use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use idem::{CallError, CasStore, Idem, Key, MokaStore, OperationBuilder, Outcome, Record, Store, Tiered};
#[cfg(stores)]
pub(crate) use idem_store_tests::{asked, is_idle, Place, Turn};
use idem_testing::{Clock, Faulty};
pub(crate) use idem_testing::{Fault, Verb};
use tokio::task::JoinHandle;

pub(crate) use broken::{Broken, Bug};
pub(crate) use versions::Versions;

pub(crate) const NAME: &str = "test.op";
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const LEASE: Duration = Duration::from_secs(15);
pub(crate) const WAIT: Duration = Duration::from_secs(25);
pub(crate) const TTL: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("declined")]
pub(crate) struct Declined;

pub(crate) type Answer<T> = Result<Outcome<T>, CallError<Declined>>;

/// Tasks that were spawned and do not run yet.
pub(crate) type Queue = Arc<Mutex<Vec<Pin<Box<dyn Future<Output = ()> + Send>>>>>;

/// What a row runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A store with a memory to look into.
    Peeking,
    /// One that has to be asked each time.
    Asking,
    /// The same behind a memory tier.
    Tiered,
    /// One made of compare and set.
    CasStore,
}

#[derive(Clone)]
pub(crate) struct Harness {
    pub(crate) store: Faulty,
    pub(crate) clock: Clock,
    pub(crate) idem: Idem,
    pub(crate) kind: Kind,
    ran: Arc<AtomicUsize>,
}

impl Harness {
    pub(crate) fn new(kind: Kind) -> Self {
        let clock = Clock::new();
        let store = match kind {
            Kind::Peeking => Faulty::new(MokaStore::builder().clock(clock.clone()).build()),
            Kind::Asking | Kind::Tiered => {
                Faulty::new(MokaStore::builder().clock(clock.clone()).build()).without_peek()
            }
            Kind::CasStore => Faulty::new(CasStore::new(Versions::new(clock.clone()))),
        };
        Self { idem: over(kind, &store), store, clock, kind, ran: Arc::default() }
    }

    /// A store in memory that has to be asked each time.
    pub(crate) fn asking() -> Self {
        Self::new(Kind::Asking)
    }

    /// The same store under an `Idem` whose spawner only queues tasks: the test decides when they run.
    pub(crate) fn with_queued_spawner(&self) -> (Self, Queue) {
        let queue = Queue::default();
        let spawned = queue.clone();
        let spawner = move |task| spawned.lock().expect("not poisoned").push(task);
        let idem = Idem::builder(self.store.clone()).spawner(spawner).build().expect("a valid configuration");
        (self.under(idem), queue)
    }

    /// The same on a real server, or in a file.
    #[cfg(stores)]
    pub(crate) fn at(place: Place, kind: Kind) -> (Self, Turn) {
        let clock = Clock::new();
        let (store, turn) = place.store(clock.clone());
        let store = Faulty::new(store);
        (Self { idem: over(kind, &store), store, clock, kind, ran: Arc::default() }, turn)
    }

    /// The same store as another process sees it.
    pub(crate) fn elsewhere(&self) -> Self {
        self.under(over(self.kind, &self.store))
    }

    /// The same under another `Idem`.
    pub(crate) fn under(&self, idem: Idem) -> Self {
        Self { idem, ..self.clone() }
    }

    /// Whether a result that this process recorded is at hand.
    pub(crate) fn peeks(&self) -> bool {
        self.kind == Kind::Peeking
    }

    /// Whether the store keeps bytes, and not values.
    pub(crate) fn keeps_bytes(&self) -> bool {
        self.kind == Kind::CasStore || cfg!(stores)
    }

    pub(crate) fn op(&self) -> OperationBuilder {
        self.idem.operation(NAME).key("k")
    }

    /// How often a body ran.
    pub(crate) fn ran(&self) -> usize {
        self.ran.load(Ordering::SeqCst)
    }

    pub(crate) fn count_run(&self) {
        self.ran.fetch_add(1, Ordering::SeqCst);
    }

    /// Runs a body that succeeds with `value`.
    pub(crate) async fn ok(&self, op: &OperationBuilder, value: &str) -> Answer<String> {
        self.ok_after(op, value, Duration::ZERO).await
    }

    /// Runs a body that takes a while and succeeds.
    pub(crate) async fn ok_after(&self, op: &OperationBuilder, value: &str, pause: Duration) -> Answer<String> {
        op.run(async {
            self.count_run();
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            Ok(value.to_owned())
        })
        .await
    }

    /// Runs a body that fails.
    pub(crate) async fn err(&self, op: &OperationBuilder) -> Answer<String> {
        self.err_after(op, Duration::ZERO).await
    }

    /// Runs a body that takes a while and fails.
    pub(crate) async fn err_after(&self, op: &OperationBuilder, pause: Duration) -> Answer<String> {
        op.run(async {
            self.count_run();
            tokio::time::sleep(pause).await;
            Err(Declined)
        })
        .await
    }

    /// Starts a call in a task of its own, and lets it come to its body's pause.
    pub(crate) async fn start(
        &self,
        op: &OperationBuilder,
        value: &'static str,
        pause: Duration,
    ) -> JoinHandle<Answer<String>> {
        let (this, op) = (self.clone(), op.clone());
        started(async move { this.ok_after(&op, value, pause).await }).await
    }

    /// The same with a body that fails.
    pub(crate) async fn start_failing(&self, op: &OperationBuilder, pause: Duration) -> JoinHandle<Answer<String>> {
        let (this, op) = (self.clone(), op.clone());
        started(async move { this.err_after(&op, pause).await }).await
    }

    /// Drops a call while its claim is out, which is applied and not answered.
    pub(crate) async fn drop_in_claim(&self, op: &OperationBuilder) {
        let hold = self.store.hold(Verb::Claim);
        let call = self.start(op, "dropped", Duration::ZERO).await;
        call.abort();
        call.await.unwrap_err();
        settle().await;
        hold.add_permits(1000);
    }

    /// Starts a body that never ends, polls it once, and hands the call over.
    pub(crate) async fn hang(&self, op: &OperationBuilder) -> impl Future<Output = Answer<String>> {
        let (this, op) = (self.clone(), op.clone());
        let mut call = Box::pin(async move {
            op.run(async {
                this.count_run();
                std::future::pending().await
            })
            .await
        });
        let before = self.ran();
        assert!(polled_once_is_pending(call.as_mut()).await, "the body never ends");
        assert_eq!(self.ran(), before + 1, "the body has begun");
        call
    }

    /// Leaves an unknown record: a call that was dropped in its body.
    pub(crate) async fn abandon(&self, op: &OperationBuilder) {
        drop(self.hang(op).await);
        landed().await;
    }

    /// The record, for code that cannot wait.
    pub(crate) fn record_now(&self) -> Option<Record> {
        let store = Arc::clone(self.store.inner());
        let load = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(store.load(&key())).expect("it answers")
        };
        std::thread::scope(|scope| scope.spawn(load).join().expect("it does not panic"))
    }

    pub(crate) async fn record(&self) -> Option<Record> {
        self.store.inner().load(&key()).await.expect("memory answers")
    }
}

fn over(kind: Kind, store: &Faulty) -> Idem {
    match kind {
        Kind::Tiered => Idem::new(Tiered::new(store.clone())),
        // Behind a pointer it is the same store.
        _ => Idem::new(Arc::new(store.clone()) as Arc<dyn Store>),
    }
}

pub(crate) fn key() -> Key {
    Key::new("", NAME, "k").expect("a valid key")
}

/// The value and how it was come by.
pub(crate) fn value(answer: Answer<String>) -> (String, idem::Kind) {
    let outcome = answer.expect("an answer");
    let kind = outcome.kind();
    (outcome.into_inner(), kind)
}

/// The library's refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Answer<T>) -> idem::Error {
    match answer.expect_err("a refusal") {
        CallError::Idem(error) => error,
        CallError::Body(error) => panic!("the body failed: {error}"),
    }
}

/// Polls a call once, which waits for something, and hands it back.
pub(crate) async fn polled_once<F: Future + Unpin>(mut call: F) -> F {
    let is_pending = poll_fn(|cx| Poll::Ready(Pin::new(&mut call).poll(cx).is_pending())).await;
    assert!(is_pending, "the call waits for something");
    call
}

/// Polls a call once, and says whether it waits for something. That it waits for a real store does not count.
pub(crate) async fn polled_once_is_pending<F: Future + ?Sized>(mut call: Pin<&mut F>) -> bool {
    loop {
        let before = asked();
        let is_pending = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
        if !is_pending || asked() == before {
            return is_pending;
        }
        settle().await;
    }
}

/// Spawns a call and lets it run until it waits for something.
pub(crate) async fn started<T: Send + 'static>(
    call: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    let task = tokio::spawn(call);
    settle().await;
    task
}

/// Lets every task run until it waits for something.
pub(crate) async fn settle() {
    loop {
        // Whoever was answered goes on in what follows.
        let (was_idle, before) = (is_idle(), asked());
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
        if was_idle && is_idle() && asked() == before {
            return;
        }
        // A real store takes its time.
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// Lets what a call has left to the background land. In memory it has landed before its drop was over.
pub(crate) async fn landed() {
    if cfg!(stores) {
        settle().await;
    }
}

#[cfg(not(stores))]
const fn is_idle() -> bool {
    true
}

#[cfg(not(stores))]
const fn asked() -> usize {
    0
}

/// Makes each row a module with a test on each kind of store.
macro_rules! rows {
    ($(async fn $name:ident($harness:ident) $body:block)*) => {$(
        #[allow(non_snake_case)]
        mod $name {
            use super::*;

            async fn row($harness: Harness) $body

            #[cfg(stores)]
            crate::support::places! {
                postgres: Postgres, Asking;
                postgres_tiered: Postgres, Tiered;
                redis: Redis, Asking;
                redis_tiered: Redis, Tiered;
                sqlite: Sqlite, Asking;
                sqlite_tiered: Sqlite, Tiered;
            }

            #[cfg(not(stores))]
            #[tokio::test(start_paused = true)]
            async fn peeking() {
                row(Harness::new(crate::support::Kind::Peeking)).await;
            }

            #[cfg(not(stores))]
            #[tokio::test(start_paused = true)]
            async fn asking() {
                row(Harness::new(crate::support::Kind::Asking)).await;
            }

            #[cfg(not(stores))]
            #[tokio::test(start_paused = true)]
            async fn tiered() {
                row(Harness::new(crate::support::Kind::Tiered)).await;
            }

            #[cfg(not(stores))]
            #[tokio::test(start_paused = true)]
            async fn cas() {
                row(Harness::new(crate::support::Kind::CasStore)).await;
            }
        }
    )*};
}
pub(crate) use rows;

/// A row on real stores.
#[cfg(stores)]
macro_rules! places {
    ($($name:ident: $place:ident, $kind:ident;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            let (harness, _turn) = Harness::at(crate::support::Place::$place, crate::support::Kind::$kind);
            row(harness).await;
        }
    )*};
}
#[cfg(stores)]
pub(crate) use places;
