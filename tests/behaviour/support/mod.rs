//! A harness: a store that counts, pauses and fails on demand, and an operation that counts its runs.

mod store;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use idem::{Clock, Failed, Idem, Key, OperationBuilder, Outcome, Record, Store, Timestamp};
pub(crate) use store::{TestStore, Trouble, Verb};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) const NAME: &str = "test.op";
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const LEASE: Duration = Duration::from_secs(15);
pub(crate) const WAIT: Duration = Duration::from_secs(25);
pub(crate) const TTL: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("declined")]
pub(crate) struct Declined;

pub(crate) type Answer<T> = Result<Outcome<T>, Failed<Declined>>;

/// Follows tokio's clock, and can be stepped.
#[derive(Debug, Clone)]
pub(crate) struct TestClock {
    start: Instant,
    stepped: Arc<AtomicU64>,
    set_back: Arc<AtomicU64>,
}

impl TestClock {
    pub(crate) fn step(&self, by: Duration) {
        self.stepped.fetch_add(by.as_micros() as u64, Ordering::SeqCst);
    }

    pub(crate) fn set_back(&self, by: Duration) {
        self.set_back.fetch_add(by.as_micros() as u64, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let forward = Duration::from_micros(self.stepped.load(Ordering::SeqCst));
        let start = 1_700_000_000_000_000 - self.set_back.load(Ordering::SeqCst);
        Timestamp::from_micros(start).after(self.start.elapsed() + forward)
    }
}

#[derive(Clone)]
pub(crate) struct Harness {
    pub(crate) store: TestStore,
    pub(crate) clock: TestClock,
    pub(crate) idem: Idem,
    ran: Arc<AtomicUsize>,
}

impl Harness {
    pub(crate) fn new(peeks: bool) -> Self {
        let clock = TestClock { start: Instant::now(), stepped: Arc::default(), set_back: Arc::default() };
        let store = TestStore::new(clock.clone(), peeks);
        // Behind a pointer it is the same store.
        let behind: Arc<dyn Store> = Arc::new(store.clone());
        Self { idem: Idem::new(behind), store, clock, ran: Arc::default() }
    }

    /// The same store as another process sees it.
    pub(crate) fn elsewhere(&self) -> Self {
        self.under(Idem::new(self.store.clone()))
    }

    /// The same under another `Idem`.
    pub(crate) fn under(&self, idem: Idem) -> Self {
        Self { idem, ..self.clone() }
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
    pub(crate) async fn hang(&self, op: &OperationBuilder) -> impl std::future::Future<Output = Answer<String>> {
        let (this, op) = (self.clone(), op.clone());
        let mut call = Box::pin(async move {
            op.run(async {
                this.count_run();
                std::future::pending().await
            })
            .await
        });
        let before = self.ran();
        std::future::poll_fn(|cx| {
            assert!(std::future::Future::poll(call.as_mut(), cx).is_pending(), "the body never ends");
            std::task::Poll::Ready(())
        })
        .await;
        assert_eq!(self.ran(), before + 1, "the body has begun");
        call
    }

    /// Leaves an abandoned record: a call that was dropped in its body.
    pub(crate) async fn abandon(&self, op: &OperationBuilder) {
        drop(self.hang(op).await);
    }

    pub(crate) async fn record(&self) -> Option<Record> {
        self.store.inner().load(&key()).await.expect("memory answers")
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
        Failed::Idem(error) => error,
        Failed::Body(error) => panic!("the body failed: {error}"),
    }
}

/// Spawns a call and lets it run until it waits for something.
pub(crate) async fn started<T: Send + 'static>(
    call: impl std::future::Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    let task = tokio::spawn(call);
    settle().await;
    task
}

/// Lets every task run until it waits for something.
pub(crate) async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// Makes each row a module with two tests: on a store with a memory to look into, and on one without.
macro_rules! rows {
    ($(async fn $name:ident($harness:ident) $body:block)*) => {$(
        #[allow(non_snake_case)]
        mod $name {
            use super::*;

            async fn row($harness: Harness) $body

            #[tokio::test(start_paused = true)]
            async fn peeking() {
                row(Harness::new(true)).await;
            }

            #[tokio::test(start_paused = true)]
            async fn asking() {
                row(Harness::new(false)).await;
            }
        }
    )*};
}
pub(crate) use rows;
