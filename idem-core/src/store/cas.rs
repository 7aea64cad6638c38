//! A store made of anything that can compare and set.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use super::Store;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::key::Key;
use crate::record::{Owner, Record};
use crate::transition::{
    transition, Change, Claim, Claimed, Finish, Ownership, Renew, SaveStep, Settle, Settled, Verb,
};

/// Values by key that can be read with their version and replaced if the version is still the same: a row with a counter, an
/// object with an ETag, a key with a revision.
#[async_trait]
pub trait ConditionalStore: fmt::Debug + Send + Sync + 'static {
    /// What changes whenever the value does, and is never the same again for the key, also after the value was deleted.
    type Version: Send + Sync;

    /// The value with its version, if there is one, and the time by the clock that all users of the store share.
    ///
    /// *Correctness*: the value is the last one written, not one of a replica that lags behind.
    async fn get(&self, key: &Key) -> Result<(Option<(Vec<u8>, Self::Version)>, Timestamp), StoreError>;

    /// Writes the value if the version is still `version` (`None`: if there is no value), atomically; says whether it did. It may
    /// say no although it did: the verb is then asked again, and knows its own record.
    ///
    /// The value may be deleted once `keep_for` is over, counted from the time that `get` told, and not before.
    async fn put_if_version(
        &self,
        key: &Key,
        version: Option<&Self::Version>,
        bytes: &[u8],
        keep_for: Duration,
    ) -> Result<bool, StoreError>;
}

#[async_trait]
impl<S: ConditionalStore> ConditionalStore for Arc<S> {
    type Version = S::Version;

    async fn get(&self, key: &Key) -> Result<(Option<(Vec<u8>, S::Version)>, Timestamp), StoreError> {
        (**self).get(key).await
    }

    async fn put_if_version(
        &self,
        key: &Key,
        version: Option<&S::Version>,
        bytes: &[u8],
        keep_for: Duration,
    ) -> Result<bool, StoreError> {
        (**self).put_if_version(key, version, bytes, keep_for).await
    }
}

/// A [`Store`] over anything [`ConditionalStore`]: the record's life runs on this side, at the price of one round trip more for each
/// verb that writes.
///
/// A value that is no record of this build is left as it is: its key answers with
/// [`Decode`](crate::Error::Decode).
#[derive(Debug, Clone)]
pub struct CasStore<S>(S);

impl<S: ConditionalStore> CasStore<S> {
    /// A store over `versioned`.
    pub const fn new(versioned: S) -> Self {
        Self(versioned)
    }

    async fn apply<V: Verb + Clone + Send>(&self, key: &Key, verb: V) -> Result<V::Answer, StoreError>
    where
        V::Answer: Send,
    {
        loop {
            let (found, now) = self.0.get(key).await?;
            let record = read(key, found.as_ref())?;
            let (change, answer) = transition(record.as_ref(), verb.clone(), now);
            let Change::Write(record) = change else {
                return Ok(answer);
            };
            let version = found.as_ref().map(|(_, version)| version);
            if self.0.put_if_version(key, version, &record.to_bytes(key), record.expires_at.since(now)).await? {
                return Ok(answer);
            }
            // Somebody else was faster, and got something done. Whoever asks sets a limit to this, if it is let.
            pause().await;
        }
    }
}

/// Lets others run.
async fn pause() {
    let mut paused = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn read<V>(key: &Key, found: Option<&(Vec<u8>, V)>) -> Result<Option<Record>, StoreError> {
    found.map(|(bytes, _)| Record::from_bytes(bytes, key)).transpose().map_err(StoreError::unreadable)
}

#[async_trait]
impl<S: ConditionalStore> Store for CasStore<S> {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        self.apply(key, claim).await
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        self.apply(key, Renew::new(owner)).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        self.apply(key, finish).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let (found, now) = self.0.get(key).await?;
        Ok(read(key, found.as_ref())?.filter(|record| !record.is_expired(now)))
    }

    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        self.apply(key, save).await
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        self.apply(key, settle.clone()).await
    }
}
