//! News that comes while the waiting call asks, and has been told the old state, is not missed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use idem::{Claim, Claimed, Ending, Finish, Idem, Key, MokaStore, Owner, Ownership, Record, Store, StoreError};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::pair::{attach, key};

/// By then the pauses are a quarter of a second and more.
const ASKED: usize = 8;

/// A store whose answer to one of the waiting call's claims is on the way while the key's owner ends.
#[derive(Debug, Clone, Default)]
struct Slow {
    store: MokaStore,
    news: Arc<Notify>,
    claims: Arc<AtomicUsize>,
    asked: Arc<Notify>,
    ended: Arc<Notify>,
}

#[async_trait]
impl Store for Slow {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        let answer = self.store.claim(key, claim).await;
        if self.claims.fetch_add(1, Ordering::SeqCst) == ASKED {
            self.asked.notify_one();
            self.ended.notified().await;
        }
        answer
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        self.store.renew(key, owner).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        let answer = self.store.finish(key, finish).await;
        self.news.notify_waiters();
        answer
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.store.load(key).await
    }

    async fn changed(&self, _: &Key) {
        self.news.notified().await;
    }
}

#[tokio::test(start_paused = true)]
async fn news_that_comes_while_the_store_answers_is_heard() {
    let store = Slow::default();
    let claim = Claim::new(Owner::random(), Duration::from_secs(60), Duration::from_secs(60));
    assert!(matches!(store.claim(&key(1), &claim).await, Ok(Claimed::Granted(_))));
    let waiter = tokio::spawn(attach(Idem::new(store.clone()), 1));
    store.asked.notified().await;
    let result = idem::private::recorded(&1, idem::Codec::Json, &key(1)).expect("it encodes");
    let ending = Ending::Completed(idem::Completion::Result(idem::Payload::from_bytes(result)));
    assert_eq!(store.finish(&key(1), &Finish::new(claim.owner, ending)).await.unwrap(), Ownership::Held);
    let ended = Instant::now();
    store.ended.notify_one();
    waiter.await.unwrap();
    assert!(ended.elapsed() <= Duration::from_millis(15), "{:?} late", ended.elapsed());
}
