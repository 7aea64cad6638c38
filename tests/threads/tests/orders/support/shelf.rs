//! A store that others may come between, before each verb and after it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use idem_core::{
    transition, Change, Claim, Claimed, Finish, Key, Owner, Ownership, Record, Renew, Store, StoreError, Timestamp,
    Verb,
};
use shuttle::sync::Mutex;
use tokio::task::yield_now;
use tokio::time::since_the_beginning;

use super::{LEASE, TTL};

/// Records on a shelf. A clone is the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shelf {
    records: Arc<Mutex<HashMap<Key, Record>>>,
    /// Whether a claim is refused, every other time or so.
    moody: bool,
    /// Whether the store refuses what owners send: renewals and endings.
    refuses_owners: Arc<AtomicBool>,
    claims: Arc<AtomicUsize>,
}

impl Shelf {
    pub(crate) fn moody() -> Self {
        Self { moody: true, ..Self::default() }
    }

    async fn apply<V: Verb + Send>(&self, key: &Key, verb: V) -> V::Answer
    where
        V::Answer: Send,
    {
        yield_now().await;
        let answer = {
            let mut records = self.records.lock().unwrap();
            let (change, answer) = transition(records.get(key), verb, now());
            if let Change::Write(record) = change {
                records.insert(key.clone(), record);
            }
            answer
        };
        yield_now().await;
        answer
    }

    /// The key goes to somebody else, as if its owner had been silent for a lease.
    pub(crate) fn steal(&self) {
        let mut records = self.records.lock().unwrap();
        records.values_mut().for_each(|record| record.owner = Owner::from_bytes([7; 16]));
    }

    /// The key of `op` is owned by a process that never renews its lease.
    pub(crate) fn owned_elsewhere(&self, key: Key) {
        let claim = Claim::new(Owner::from_bytes([9; 16]), LEASE, TTL);
        if let (Change::Write(record), _) = transition(None, &claim, now()) {
            self.records.lock().unwrap().insert(key, record);
        }
    }

    /// From now on renewals and endings fail, or do not.
    pub(crate) fn refuse_owners(&self, refuses: bool) {
        self.refuses_owners.store(refuses, Ordering::SeqCst);
    }

    /// How many claims were answered.
    pub(crate) fn claims(&self) -> usize {
        self.claims.load(Ordering::SeqCst)
    }

    async fn owner_sends<V: Verb + Send>(&self, key: &Key, verb: V) -> Result<V::Answer, StoreError>
    where
        V::Answer: Send,
    {
        if self.refuses_owners.load(Ordering::SeqCst) {
            yield_now().await;
            return Err(StoreError::not_applied("the store takes no ending and no renewal"));
        }
        Ok(self.apply(key, verb).await)
    }

    /// The one record.
    pub(crate) fn record(&self) -> Option<Record> {
        self.records.lock().unwrap().values().next().cloned()
    }
}

fn now() -> Timestamp {
    Timestamp::from_micros(1_000_000).after(Duration::from_micros(1)).after(since_the_beginning())
}

#[async_trait]
impl Store for Shelf {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        if self.moody && shuttle::rand::Rng::gen_bool(&mut shuttle::rand::thread_rng(), 0.5) {
            yield_now().await;
            return Err(StoreError::refused("not in the mood"));
        }
        let answer = self.apply(key, claim).await;
        self.claims.fetch_add(1, Ordering::SeqCst);
        Ok(answer)
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        self.owner_sends(key, Renew::new(owner)).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        self.owner_sends(key, finish).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.records.lock().unwrap().get(key).cloned())
    }
}
