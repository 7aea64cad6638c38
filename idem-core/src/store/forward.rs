//! `Store` for pointers to a store.

use std::sync::Arc;

use async_trait::async_trait;

use super::{List, Page, Store};
use crate::error::StoreError;
use crate::key::Key;
use crate::record::{Completed, Owner, Record};
use crate::transition::{Claim, Claimed, Finish, Ownership, SaveStep, Settle, Settled};

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        // Forwards also the verbs that have a default, because the store may implement them.
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<S: Store + ?Sized> Store for $pointer {
            async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
                (**self).claim(key, claim).await
            }

            async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
                (**self).renew(key, owner).await
            }

            async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
                (**self).finish(key, finish).await
            }

            async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
                (**self).load(key).await
            }

            async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
                (**self).save_step(key, save).await
            }

            async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
                (**self).settle(key, settle).await
            }

            async fn list(&self, list: &List) -> Result<Page, StoreError> {
                (**self).list(list).await
            }

            async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
                (**self).sweep(limit).await
            }

            fn peek(&self, key: &Key) -> Option<Completed> {
                (**self).peek(key)
            }

            async fn changed(&self, key: &Key) {
                (**self).changed(key).await;
            }
        }
    )*};
}

forward!(Arc<S>, Box<S>, &'static S);

#[cfg(test)]
mod tests;
