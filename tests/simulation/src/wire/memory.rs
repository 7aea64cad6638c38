//! `MokaStore` on the world's clock, in the world's trouble, with its records' changes written down.

use std::fmt;
use std::future::Future;

use async_trait::async_trait;
use idem::{
    Claim, Claimed, Clock, Completed, Finish, Key, MokaStore, Owner, Ownership, Record, Settle, Settled, Store,
    StoreError, Timestamp,
};

use super::fate::Fate;
use super::note::{Change, Heard, Note};
use super::Wire;
use crate::tasks::current_call;

/// A `MokaStore` that is watched.
#[derive(Clone)]
pub struct Watched {
    store: MokaStore,
    wire: Wire,
}

impl Clock for Wire {
    fn now(&self) -> Timestamp {
        self.inner().clock()
    }
}

impl Watched {
    /// An empty one, on the clock of `wire`.
    #[must_use]
    pub fn new(wire: &Wire) -> Self {
        Self { store: MokaStore::builder().clock(wire.clone()).build(), wire: wire.clone() }
    }

    /// A verb in the trouble of the moment. There is no way that takes time: what is lost is never answered.
    async fn ask<T>(
        &self,
        key: &Key,
        verb: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let Fate { there, back, failure, .. } = self.wire.inner().fate(0);
        let answer = match there {
            Some(_) => Some(self.watch(key, verb).await),
            None => None,
        };
        match (failure, answer.filter(|_| back.is_some())) {
            (Some((_, error)), _) => Err(error),
            (None, Some(answer)) => answer,
            (None, None) => std::future::pending().await,
        }
    }

    async fn watch<T>(&self, key: &Key, verb: impl Future<Output = T> + Send) -> T {
        let before = self.store.load(key).await.ok().flatten();
        let answer = verb.await;
        let after = self.store.load(key).await.ok().flatten();
        let (number, now, sent) = (self.wire.number(key), Clock::now(&self.wire), self.wire.now());
        if let Some(after) = after.filter(|after| before.as_ref() != Some(after)) {
            let change = Change { key: number, call: current_call(), sent, now, before, after };
            self.wire.note(Note::Changed(Box::new(change)));
        }
        answer
    }
}

#[async_trait]
impl Store for Watched {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        let (call, owner) = (current_call(), claim.owner);
        self.wire.note(Note::Claims { call, owner });
        let answer = self.ask(key, self.store.claim(key, claim)).await;
        if let Some(heard) = Heard::of(answer.as_ref()) {
            self.wire.note(Note::Told { call, owner, heard });
        }
        answer
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        self.ask(key, self.store.renew(key, owner)).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        self.ask(key, self.store.finish(key, finish)).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let record = self.store.load(key).await?;
        let (key, fence) = (self.wire.number(key), record.as_ref().map(|record| record.fence));
        self.wire.note(Note::Loaded { key, call: current_call(), fence });
        Ok(record)
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        self.watch(key, self.store.settle(key, settle)).await
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        self.store.sweep(limit).await
    }

    fn peek(&self, key: &Key) -> Option<Completed> {
        self.store.peek(key)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}
