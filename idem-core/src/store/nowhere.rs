//! No store at all.

use async_trait::async_trait;

use super::Store;
use crate::error::StoreError;
use crate::key::Key;
use crate::record::{Owner, Record};
use crate::transition::{Claim, Claimed, Finish, Ownership};

/// Refuses everything: what an `Idem` has that guards nothing.
#[derive(Debug)]
pub(crate) struct Nowhere;

fn refused<T>() -> Result<T, StoreError> {
    Err(StoreError::refused("this Idem is disabled and has no store"))
}

#[async_trait]
impl Store for Nowhere {
    async fn claim(&self, _: &Key, _: &Claim) -> Result<Claimed, StoreError> {
        refused()
    }

    async fn renew(&self, _: &Key, _: Owner) -> Result<Ownership, StoreError> {
        refused()
    }

    async fn finish(&self, _: &Key, _: &Finish) -> Result<Ownership, StoreError> {
        refused()
    }

    async fn load(&self, _: &Key) -> Result<Option<Record>, StoreError> {
        refused()
    }
}
