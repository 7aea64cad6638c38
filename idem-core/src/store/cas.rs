//! A store over any storage that can compare and set.

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

/// A storage whose values have versions and can be replaced if the version is unchanged: a row with a counter, an object
/// with an ETag, a key with a revision. [`CasStore`] makes a [`Store`] of it.
#[async_trait]
pub trait ConditionalStore: fmt::Debug + Send + Sync + 'static {
    /// The version of a value. It changes with every write and is never reused for the key, even after the value was deleted.
    type Version: Send + Sync;

    /// Reads the value with its version, and the time by a clock that all processes share. `None` when there is no value.
    ///
    /// Required for correctness: the value is the one written last, not that of a replica that lags.
    async fn get(&self, key: &Key) -> Result<(Option<(Vec<u8>, Self::Version)>, Timestamp), StoreError>;

    /// Writes the value atomically if the version is still `version` (`None`: if there is no value). Returns whether it wrote.
    ///
    /// It may return `false` although it wrote: the verb is then applied again and recognizes its own record. The storage may
    /// delete the value `keep_for` after the time that `get` returned, and not earlier.
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

/// A [`Store`] over a [`ConditionalStore`].
///
/// It reads the record, applies [`transition`](crate::transition) in this process, and writes the result: a verb that writes
/// costs two round trips. If another process wrote in between, the store reads and applies again.
///
/// A value that this build cannot read as a record is left as it is; calls of that key get
/// [`Error::Decode`](crate::Error::Decode).
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use std::time::Duration;
///
/// use idem_core::{CasStore, Clock, ConditionalStore, Idem, Key, StoreError, SystemClock, Timestamp};
///
/// /// A version for each write, never reused.
/// #[derive(Debug)]
/// struct Versions(Mutex<(u64, HashMap<Key, (Vec<u8>, u64)>)>, SystemClock);
///
/// #[async_trait::async_trait]
/// impl ConditionalStore for Versions {
///     type Version = u64;
///
///     async fn get(&self, key: &Key) -> Result<(Option<(Vec<u8>, u64)>, Timestamp), StoreError> {
///         let values = self.0.lock().map_err(|_| StoreError::refused("poisoned"))?;
///         Ok((values.1.get(key).cloned(), self.1.now()))
///     }
///
///     async fn put_if_version(
///         &self,
///         key: &Key,
///         version: Option<&u64>,
///         bytes: &[u8],
///         _keep_for: Duration,
///     ) -> Result<bool, StoreError> {
///         let mut values = self.0.lock().map_err(|_| StoreError::refused("poisoned"))?;
///         if values.1.get(key).map(|(_, version)| version) != version {
///             return Ok(false);
///         }
///         values.0 += 1;
///         let next = values.0;
///         values.1.insert(key.clone(), (bytes.to_vec(), next));
///         Ok(true)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), idem_core::CallError<String>> {
/// let idem = Idem::new(CasStore::new(Versions(Mutex::default(), SystemClock::new())));
/// let charge = idem.operation("payments.charge").key(7);
/// let receipt = charge.run(async { Ok::<_, String>(500) }).await?.into_inner();
/// assert_eq!(charge.run(async { Ok(0) }).await?.into_inner(), receipt);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CasStore<S>(S);

impl<S: ConditionalStore> CasStore<S> {
    /// Makes a store over `versioned`.
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
            // Another request wrote first: read again. The engine's time-out ends this loop, but it is polled only if `pause`
            // yields. Test: `a_backend_that_never_agrees_is_given_up_after_the_stores_time_out`.
            pause().await;
        }
    }
}

/// Yields once to the executor.
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
