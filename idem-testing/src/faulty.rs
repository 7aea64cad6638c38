//! A store in trouble.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use idem_core::{
    Claim, Claimed, Completed, Completion, Ending, Finish, Key, List, Owner, Ownership, Page, Record, SaveStep, Settle,
    Settled, Store, StoreError,
};
use tokio::sync::Semaphore;

/// What a store is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// [`Store::claim`]
    Claim,
    /// [`Store::renew`]
    Renew,
    /// [`Store::finish`]
    Finish,
    /// A `finish` that carries a result. It is a [`Verb::Finish`] too, and passes that one's trouble after its own.
    Record,
    /// [`Store::load`]
    Load,
    /// [`Store::save_step`]
    SaveStep,
    /// [`Store::settle`]
    Settle,
}

/// What happens to a verb.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: it is applied and answered.
    #[default]
    None,
    /// It is applied, and the answer waits for a permit; see [`Faulty::hold`].
    Held(Arc<Semaphore>),
    /// It is applied and the answer is lost, so many times.
    Lost(usize),
    /// It is not applied, so many times.
    NotApplied(usize),
    /// It is applied only after a while, whether or not anybody still waits for the answer.
    Late(Duration),
    /// The store refuses, and will go on refusing.
    Refused,
    /// The store never answers, and nothing is applied.
    Silent,
    /// The store panics, as one with a bug of its own would.
    Panics,
}

/// A store behind a door: every verb is counted, and can be held up, lost, late or refused. A clone is the same store.
///
/// Wrap the store your service uses in it, and see what your service answers when the store is down:
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use idem_core::{Error, CallError, Idem, MokaStore};
/// use idem_testing::{Faulty, Fault, Verb};
///
/// let store = Faulty::new(MokaStore::new());
/// let idem = Idem::new(store.clone());
/// store.fault(Verb::Claim, Fault::Refused);
/// let refused = idem.operation("charge").key(7).run(async { Ok::<u32, ()>(1) }).await;
/// assert!(matches!(refused, Err(CallError::Idem(Error::Store { .. }))));
/// store.fault(Verb::Claim, Fault::None);
/// let honest = idem.operation("charge").key(7).run(async { Ok::<u32, ()>(1) }).await;
/// assert_eq!(honest.unwrap().into_inner(), 1);
/// assert_eq!(store.count(Verb::Claim), 2);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Faulty {
    store: Arc<dyn Store>,
    peeks: bool,
    notifies: bool,
    doors: Arc<Mutex<HashMap<Verb, (usize, Fault)>>>,
}

impl Faulty {
    /// `store`, without any trouble yet.
    #[must_use]
    pub fn new(store: impl Store) -> Self {
        Self { store: Arc::new(store), peeks: true, notifies: false, doors: Arc::default() }
    }

    /// The same store without a memory to look into: every replay asks it.
    #[must_use]
    pub fn without_peek(self) -> Self {
        Self { peeks: false, ..self }
    }

    /// The same store with a `changed` that always says there may be news.
    #[must_use]
    pub fn with_notifications(self) -> Self {
        Self { notifies: true, ..self }
    }

    /// The store behind the door.
    #[must_use]
    pub fn inner(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// How often a verb was sent.
    #[must_use]
    pub fn count(&self, verb: Verb) -> usize {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).get(&verb).map_or(0, |(count, _)| *count)
    }

    /// What happens to a verb from now on.
    pub fn fault(&self, verb: Verb, trouble: Fault) {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).entry(verb).or_default().1 = trouble;
    }

    /// From now on the verb is applied and its answer kept back: one permit lets one answer out.
    #[must_use]
    pub fn hold(&self, verb: Verb) -> Arc<Semaphore> {
        let hold = Arc::new(Semaphore::new(0));
        self.fault(verb, Fault::Held(Arc::clone(&hold)));
        hold
    }

    /// Counts the verb, and says what happens to it.
    fn enter(&self, verb: Verb) -> Fault {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, trouble) = doors.entry(verb).or_default();
        *count += 1;
        match trouble {
            Fault::Lost(0) | Fault::NotApplied(0) => *trouble = Fault::None,
            Fault::Lost(left) | Fault::NotApplied(left) => *left -= 1,
            _ => {}
        }
        trouble.clone()
    }

    async fn pass<T: Send + 'static>(
        &self,
        verb: Verb,
        answer: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        // As a client of a real store does, it takes part in tokio's cooperative budget.
        tokio::task::consume_budget().await;
        match self.enter(verb) {
            Fault::None => answer.await,
            Fault::Held(hold) => {
                let answer = answer.await;
                // A closed semaphore lets everything out.
                if let Ok(permit) = hold.acquire().await {
                    permit.forget();
                }
                answer
            }
            Fault::Lost(_) => {
                answer.await?;
                Err(StoreError::unknown("the answer was lost"))
            }
            Fault::NotApplied(_) => Err(StoreError::not_applied("connection refused")),
            Fault::Late(by) => {
                let late = tokio::spawn(async move {
                    tokio::time::sleep(by).await;
                    answer.await
                });
                late.await.unwrap_or_else(|error| Err(StoreError::unknown(error)))
            }
            Fault::Refused => Err(StoreError::refused("read-only")),
            Fault::Silent => std::future::pending().await,
            // A test asks for it by name, to see what the engine makes of a store with a bug of its own.
            #[allow(clippy::panic)]
            Fault::Panics => panic!("the store's own bug"),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for Faulty {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        let (store, key, claim) = (Arc::clone(&self.store), key.clone(), *claim);
        self.pass(Verb::Claim, async move { store.claim(&key, &claim).await }).await
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        let (store, key) = (Arc::clone(&self.store), key.clone());
        self.pass(Verb::Renew, async move { store.renew(&key, owner).await }).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        let (store, key, finish) = (Arc::clone(&self.store), key.clone(), finish.clone());
        if matches!(finish.ending, Ending::Completed(Completion::Result(_))) {
            self.pass(Verb::Record, async { Ok(()) }).await?;
        }
        self.pass(Verb::Finish, async move { store.finish(&key, &finish).await }).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let (store, key) = (Arc::clone(&self.store), key.clone());
        self.pass(Verb::Load, async move { store.load(&key).await }).await
    }

    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        let (store, key, save) = (Arc::clone(&self.store), key.clone(), save.clone());
        self.pass(Verb::SaveStep, async move { store.save_step(&key, &save).await }).await
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        let (store, key, settle) = (Arc::clone(&self.store), key.clone(), settle.clone());
        self.pass(Verb::Settle, async move { store.settle(&key, &settle).await }).await
    }

    async fn list(&self, list: &List) -> Result<Page, StoreError> {
        self.store.list(list).await
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.store.sweep(limit).await
    }

    fn peek(&self, key: &Key) -> Option<Completed> {
        self.peeks.then(|| self.store.peek(key)).flatten()
    }

    async fn changed(&self, key: &Key) {
        if !self.notifies {
            self.store.changed(key).await;
        }
    }
}
