//! A `MokaStore` behind a door: every verb is counted, and can be held up, lost, late or refused.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idem::{
    Claim, Claimed, Completed, Completion, Ending, Held, Key, MokaStore, Owner, Record, Settle, Settled, Store,
    StoreError,
};
use tokio::sync::Semaphore;

use super::TestClock;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Verb {
    Claim,
    Renew,
    Finish,
    /// A finish that carries a result, which is counted as [`Verb::Finish`] too.
    Record,
}

/// What happens to a verb.
#[derive(Debug, Clone, Default)]
pub(crate) enum Trouble {
    #[default]
    None,
    /// Applied, and the answer waits for a permit.
    Held(Arc<Semaphore>),
    /// Applied, and so many answers are lost.
    Lost(usize),
    /// Not applied, so many times.
    NotApplied(usize),
    /// Applied only after a while, whether or not anybody still waits.
    Late(Duration),
    Refused,
    Panics,
}

#[derive(Debug, Clone)]
pub(crate) struct TestStore {
    inner: MokaStore,
    peeks: bool,
    /// `changed` is ready whenever it is asked.
    hints: bool,
    doors: Arc<Mutex<HashMap<Verb, (usize, Trouble)>>>,
}

impl TestStore {
    pub(crate) fn new(clock: TestClock, peeks: bool) -> Self {
        Self { inner: MokaStore::with_clock(clock), peeks, hints: false, doors: Arc::default() }
    }

    /// The same store with a `changed` that always says there may be news.
    pub(crate) fn hinting(&self) -> Self {
        Self { hints: true, ..self.clone() }
    }

    pub(crate) fn inner(&self) -> &MokaStore {
        &self.inner
    }

    pub(crate) fn peeks(&self) -> bool {
        self.peeks
    }

    /// How often a verb was sent.
    pub(crate) fn count(&self, verb: Verb) -> usize {
        self.doors.lock().unwrap().get(&verb).map_or(0, |(count, _)| *count)
    }

    /// What happens to a verb from now on.
    pub(crate) fn trouble(&self, verb: Verb, trouble: Trouble) {
        self.doors.lock().unwrap().entry(verb).or_default().1 = trouble;
    }

    /// From now on the verb is applied and its answer kept back, one permit each.
    pub(crate) fn hold(&self, verb: Verb) -> Arc<Semaphore> {
        let hold = Arc::new(Semaphore::new(0));
        self.trouble(verb, Trouble::Held(Arc::clone(&hold)));
        hold
    }

    async fn pass<T: Send + 'static>(
        &self,
        verb: Verb,
        answer: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        // As a client of a real store would, it takes part in tokio's cooperative budget.
        tokio::task::consume_budget().await;
        let trouble = {
            let mut doors = self.doors.lock().unwrap();
            let (count, trouble) = doors.entry(verb).or_default();
            *count += 1;
            match trouble {
                Trouble::Lost(0) | Trouble::NotApplied(0) => *trouble = Trouble::None,
                Trouble::Lost(left) | Trouble::NotApplied(left) => *left -= 1,
                _ => {}
            }
            trouble.clone()
        };
        match trouble {
            Trouble::None => answer.await,
            Trouble::Held(hold) => {
                let answer = answer.await;
                hold.acquire().await.unwrap().forget();
                answer
            }
            Trouble::Lost(_) => {
                answer.await?;
                Err(StoreError::unknown("the answer was lost"))
            }
            Trouble::NotApplied(_) => Err(StoreError::not_applied("connection refused")),
            Trouble::Late(by) => {
                let late = tokio::spawn(async move {
                    tokio::time::sleep(by).await;
                    answer.await
                });
                late.await.unwrap()
            }
            Trouble::Refused => Err(StoreError::refused("read-only")),
            Trouble::Panics => panic!("the store's own"),
        }
    }
}

#[async_trait::async_trait]
impl Store for TestStore {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        let (inner, key, claim) = (self.inner.clone(), key.clone(), *claim);
        self.pass(Verb::Claim, async move { inner.claim(&key, &claim).await }).await
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Held, StoreError> {
        let (inner, key) = (self.inner.clone(), key.clone());
        self.pass(Verb::Renew, async move { inner.renew(&key, owner).await }).await
    }

    async fn finish(&self, key: &Key, owner: Owner, ending: Ending) -> Result<Held, StoreError> {
        let (inner, key) = (self.inner.clone(), key.clone());
        if matches!(ending, Ending::Completed(Completion::Result(_))) {
            self.pass(Verb::Record, async { Ok(()) }).await?;
        }
        self.pass(Verb::Finish, async move { inner.finish(&key, owner, ending).await }).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.inner.load(key).await
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        self.inner.settle(key, settle).await
    }

    fn peek(&self, key: &Key) -> Option<Completed> {
        self.peeks.then(|| self.inner.peek(key)).flatten()
    }

    async fn changed(&self, _: &Key) {
        if !self.hints {
            std::future::pending().await
        }
    }
}
