//! A `MokaStore` behind a door: every verb is counted, and can be held up, lost or refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use idem::{Claim, Claimed, Completed, Ending, Held, Key, MokaStore, Owner, Record, Store, StoreError};
use tokio::sync::Semaphore;

use super::TestClock;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Verb {
    Claim,
    Renew,
    Finish,
}

#[derive(Debug, Clone)]
pub(crate) struct TestStore {
    inner: MokaStore,
    peeks: bool,
    doors: Arc<Mutex<HashMap<Verb, Door>>>,
}

#[derive(Debug, Default)]
struct Door {
    count: usize,
    /// Answers wait for a permit, after the verb was applied.
    hold: Option<Arc<Semaphore>>,
    /// How many of the next answers are lost.
    lost: usize,
    refused: bool,
}

impl TestStore {
    pub(crate) fn new(clock: TestClock, peeks: bool) -> Self {
        Self { inner: MokaStore::with_clock(clock), peeks, doors: Arc::default() }
    }

    pub(crate) fn inner(&self) -> &MokaStore {
        &self.inner
    }

    pub(crate) fn peeks(&self) -> bool {
        self.peeks
    }

    /// How often a verb was sent.
    pub(crate) fn count(&self, verb: Verb) -> usize {
        self.door(verb, |door| door.count)
    }

    /// From now on the verb is applied and its answer kept back, one permit each.
    pub(crate) fn hold(&self, verb: Verb) -> Arc<Semaphore> {
        let hold = Arc::new(Semaphore::new(0));
        self.door(verb, |door| door.hold = Some(Arc::clone(&hold)));
        hold
    }

    /// The next answers to the verb are lost, after it was applied.
    pub(crate) fn lose(&self, verb: Verb, answers: usize) {
        self.door(verb, |door| door.lost = answers);
    }

    /// From now on the verb is refused, or is not any more.
    pub(crate) fn refuse(&self, verb: Verb, refused: bool) {
        self.door(verb, |door| door.refused = refused);
    }

    fn door<T>(&self, verb: Verb, with: impl FnOnce(&mut Door) -> T) -> T {
        with(self.doors.lock().unwrap().entry(verb).or_default())
    }

    async fn pass<T>(&self, verb: Verb, answer: impl std::future::Future<Output = T>) -> Result<T, StoreError> {
        let (hold, lost, refused) = self.door(verb, |door| {
            door.count += 1;
            let lost = door.lost > 0;
            door.lost = door.lost.saturating_sub(1);
            (door.hold.clone(), lost, door.refused)
        });
        if refused {
            return Err(StoreError::refused("read-only"));
        }
        let answer = answer.await;
        if let Some(hold) = hold {
            hold.acquire().await.unwrap().forget();
        }
        if lost {
            return Err(StoreError::unknown("the answer was lost"));
        }
        Ok(answer)
    }
}

#[async_trait::async_trait]
impl Store for TestStore {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        self.pass(Verb::Claim, self.inner.claim(key, claim)).await?
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Held, StoreError> {
        self.pass(Verb::Renew, self.inner.renew(key, owner)).await?
    }

    async fn finish(&self, key: &Key, owner: Owner, ending: Ending) -> Result<Held, StoreError> {
        self.pass(Verb::Finish, self.inner.finish(key, owner, ending)).await?
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.inner.load(key).await
    }

    fn peek(&self, key: &Key) -> Option<Completed> {
        self.peeks.then(|| self.inner.peek(key)).flatten()
    }
}
