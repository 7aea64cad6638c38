//! A store before and after whose verbs a victim stands still; and the point between a grant and the body.

use std::sync::Arc;

use async_trait::async_trait;
use idem::{
    Claim, Claimed, Completed, Ending, Finish, Key, List, Owner, Ownership, Page, Record, SaveStep, Settle, Settled,
    Store, StoreError,
};
use tracing::span::{Attributes, Id, Record as Values};
use tracing::{Event, Metadata};

use crate::park::Park;
use crate::scene::{How, Spot};

#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) park: Park,
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for Parked {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        self.park.verb(Spot::ClaimUnsent).await;
        let answer = self.store.claim(key, claim).await;
        // One that was told to wait has not claimed anything.
        if let Ok(Claimed::Granted(_)) = answer {
            self.park.at(Spot::ClaimUnanswered).await;
        }
        match answer {
            Ok(Claimed::Granted(_)) => self.park.granted(),
            Ok(Claimed::Completed(_)) => self.park.landed(),
            _ => {}
        }
        answer
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        self.park.verb(Spot::RenewalUnsent).await;
        let answer = self.store.renew(key, owner).await;
        self.park.at(Spot::RenewalUnanswered).await;
        answer
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        let is_done = matches!(finish.ending, Ending::Completed(_));
        let is_it = is_done || matches!((self.park.how(), &finish.ending), (How::Dropped, Ending::Unknown));
        match self.park.how() {
            How::Ended if is_done && !self.park.has_left() => self.park.leave().await,
            How::Unrecorded if is_done && !self.park.has_answered() => {
                return Err(StoreError::not_applied("connection refused"));
            }
            _ => {}
        }
        // Not that of a claim which a busy machine was too slow for.
        if !is_it {
            return self.store.finish(key, finish).await;
        }
        self.park.verb(Spot::EndUnsent).await;
        let answer = self.store.finish(key, finish).await;
        if let Ok(Ownership::Held) = answer {
            self.park.landed();
        }
        self.park.at(Spot::EndUnanswered).await;
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
        self.store.changed(key).await;
    }
}

/// The engine awaits nothing between a grant and the body's first poll; but it tells its span which attempt it is.
pub(crate) struct Granted(pub(crate) Park);

impl tracing::Subscriber for Granted {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.name() == "idempotent"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Values<'_>) {
        self.0.block_at(Spot::Granted);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
