//! A store that writes down who asks it, and when it was told of an ending.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use idem::{
    Claim, Claimed, Completed, Finish, Key, List, Owner, Ownership, Page, Record, SaveStep, Settle, Settled, Store,
    StoreError,
};
use tokio::sync::watch;

/// A store behind a notebook. A clone is the same one.
#[derive(Debug, Clone)]
pub struct Noted {
    store: Arc<dyn Store>,
    mute: bool,
    notes: Arc<Mutex<HashMap<Key, Notes>>>,
    claims: Arc<watch::Sender<usize>>,
}

/// What was noted of a key.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// The tokens that it was claimed with: one for each call that asked, however often that one did.
    pub owners: HashSet<Owner>,
    /// How many claims were answered.
    pub claims: usize,
    /// When its ending was answered.
    pub finished: Option<Instant>,
}

impl Noted {
    /// `store`, and nothing noted.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, mute: false, notes: Arc::default(), claims: Arc::default() }
    }

    /// The same store without hints.
    pub fn mute(self) -> Self {
        Self { mute: true, ..self }
    }

    /// What was noted of a key.
    pub fn of(&self, key: &Key) -> Notes {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned().unwrap_or_default()
    }

    /// Waits until a key was claimed so many times.
    pub async fn claimed(&self, key: &Key, times: usize) {
        let mut claims = self.claims.subscribe();
        while self.of(key).claims < times {
            claims.changed().await.expect("the sender is here");
        }
    }

    fn note(&self, key: &Key, note: impl FnOnce(&mut Notes)) {
        note(self.notes.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default());
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for Noted {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        self.note(key, |notes| notes.owners.extend([claim.owner]));
        let answer = self.store.claim(key, claim).await;
        self.note(key, |notes| notes.claims += 1);
        self.claims.send_modify(|claims| *claims += 1);
        answer
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        self.store.renew(key, owner).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        let answer = self.store.finish(key, finish).await;
        self.note(key, |notes| notes.finished = Some(Instant::now()));
        answer
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.store.load(key).await
    }

    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        self.store.save_step(key, save).await
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        self.store.settle(key, settle).await
    }

    async fn list(&self, list: &List) -> Result<Page, StoreError> {
        self.store.list(list).await
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.store.sweep(limit).await
    }

    fn peek(&self, key: &Key) -> Option<Completed> {
        self.store.peek(key)
    }

    async fn changed(&self, key: &Key) {
        if self.mute {
            std::future::pending().await
        } else {
            self.store.changed(key).await
        }
    }
}
