//! A store that never answers at once, and calls that are counted.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use idem::{
    CallError, Claim, Claimed, Finish, Idem, Key, Kind, MokaStore, Outcome, Owner, Ownership, Record, Store, StoreError,
};

pub(crate) type Answer = Result<Outcome<u32>, CallError<&'static str>>;

/// Answers at the second poll, as a store does that has to be asked over a network.
#[derive(Debug, Clone, Default)]
pub(crate) struct Remote(pub(crate) MokaStore);

#[async_trait]
impl Store for Remote {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        yield_now().await;
        self.0.claim(key, claim).await
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        yield_now().await;
        self.0.renew(key, owner).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        yield_now().await;
        self.0.finish(key, finish).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.0.load(key).await
    }
}

async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

#[derive(Clone)]
pub(crate) struct Calls {
    pub(crate) idem: Idem,
    ran: Arc<AtomicUsize>,
}

impl Calls {
    pub(crate) fn new(idem: Idem) -> Self {
        Self { idem, ran: Arc::default() }
    }

    pub(crate) fn ran(&self) -> usize {
        self.ran.load(Ordering::SeqCst)
    }

    /// A call whose body takes a while.
    pub(crate) async fn call(&self, key: u32, body: impl Future<Output = ()>) -> Answer {
        let op = self.idem.operation("op").key(key).lease(LEASE);
        op.run(async {
            self.ran.fetch_add(1, Ordering::SeqCst);
            body.await;
            Ok(key)
        })
        .await
    }

    /// The same, detached.
    pub(crate) async fn detached(&self, key: u32, body: impl Future<Output = ()> + Send + 'static) -> Answer {
        let (op, ran) = (self.idem.operation("op").key(key).lease(LEASE).detached(), self.ran.clone());
        op.run(async move {
            ran.fetch_add(1, Ordering::SeqCst);
            body.await;
            Ok(key)
        })
        .await
    }

    /// Whether the key is done, as any process sees it.
    pub(crate) async fn is_done(&self, key: u32) -> bool {
        let record = self.idem.operation("op").key(key).inspect().await.unwrap();
        record.is_some_and(|record| matches!(record.state, idem::State::Completed(_)))
    }
}

pub(crate) const LEASE: Duration = Duration::from_millis(400);

pub(crate) fn kind(answer: Answer) -> Kind {
    answer.expect("an answer").kind()
}
