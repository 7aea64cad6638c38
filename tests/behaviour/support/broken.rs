//! A store with one bug.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};

use idem::{Claim, Claimed, Finish, Key, MokaStore, Owner, Ownership, Record, Settle, Settled, Store, StoreError};

use super::SECOND;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Never answers the first `finish`, and panics in the second.
    PanicsInTheSecondFinish,
    /// Applies its first claim seven seconds late, and does not answer it.
    ClaimsLate,
    /// Applies the first `settle` and loses the answer; refuses every later one.
    ForgetsThatItSettled,
}

/// `MokaStore` with a bug.
#[derive(Debug)]
pub(crate) struct Broken {
    store: MokaStore,
    bug: Bug,
    /// How many requests came to the method that has the bug.
    requests: AtomicUsize,
}

impl Broken {
    pub(crate) fn new(bug: Bug) -> Self {
        Self { store: MokaStore::new(), bug, requests: 0.into() }
    }

    /// How many requests came before this one, if the method has the bug.
    fn before(&self, bug: Bug) -> Option<usize> {
        (self.bug == bug).then(|| self.requests.fetch_add(1, Ordering::SeqCst))
    }
}

#[async_trait::async_trait]
impl Store for Broken {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        if self.before(Bug::ClaimsLate) == Some(0) {
            let (store, key, claim) = (self.store.clone(), key.clone(), *claim);
            tokio::spawn(async move {
                tokio::time::sleep(SECOND * 7).await;
                store.claim(&key, &claim).await
            });
            pending().await
        }
        self.store.claim(key, claim).await
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        self.store.renew(key, owner).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        match self.before(Bug::PanicsInTheSecondFinish) {
            Some(0) => pending().await,
            Some(1) => panic!("the store's own"),
            _ => self.store.finish(key, finish).await,
        }
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.store.load(key).await
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        match self.before(Bug::ForgetsThatItSettled) {
            Some(0) => self.store.settle(key, settle).await.and(Err(StoreError::unknown("reset"))),
            Some(_) => Err(StoreError::not_applied("refused")),
            None => self.store.settle(key, settle).await,
        }
    }
}
