//! The trait `Store`, and the stores of this crate.

mod cas;
mod forward;
mod list;
#[cfg(feature = "moka")]
mod moka;
mod notify;
#[cfg(feature = "moka")]
mod tiered;

use std::fmt;

use async_trait::async_trait;

pub use self::cas::{CasStore, ConditionalStore};
pub use self::list::{Cursor, List, Listed, Page};
#[cfg(feature = "moka")]
pub use self::moka::{FullError, MokaStore, MokaStoreBuilder, WhenFull};
pub use self::notify::{KeyedNotify, Waiter};
#[cfg(feature = "moka")]
pub use self::tiered::Tiered;
use crate::error::StoreError;
use crate::key::Key;
use crate::record::{Completed, Owner, Record};
use crate::transition::{Claim, Claimed, Finish, Ownership, SaveStep, Settle, Settled};

/// Keeps records. All processes that use a store share its records.
///
/// Each verb applies [`transition`](crate::transition) to the record of one key. It is atomic with respect to all other verbs
/// on that key, and takes the time from the store's clock. A refusal is an answer, not an error. An error means that the
/// store could not answer; it says whether the verb may have been applied. A verb may be sent twice: the second copy gets
/// the same answer and changes nothing more (a claim or a renewal prolongs the lease).
///
/// A store keeps no state per call; many calls use one value at the same time.
///
/// Limits: an encoded key has up to about 8 KiB, plus the names of namespace and operation. A result has up to 1 MiB and a
/// few bytes. A store that does not accept a result refuses the `finish`
/// ([`StoreError::refused`]); the engine then sends the completion without the result.
///
/// # Cancel safety
/// The engine drops a verb's future at every time-out. The future must then release what it holds; the verb may or may not
/// have been applied.
///
/// # Examples
/// A store of one map. [`CasStore`] makes one of any storage that can compare and set.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use idem_core::{
///     transition, Change, Claim, Claimed, Clock, Finish, Key, Owner, Ownership, Record, Renew, Store, StoreError,
///     SystemClock, Verb,
/// };
///
/// #[derive(Debug)]
/// struct MapStore(Mutex<HashMap<Key, Record>>, SystemClock);
///
/// impl MapStore {
///     fn apply<V: Verb>(&self, key: &Key, verb: V) -> Result<V::Answer, StoreError> {
///         let mut records = self.0.lock().map_err(|_| StoreError::refused("the map is poisoned"))?;
///         let (change, answer) = transition(records.get(key), verb, self.1.now());
///         if let Change::Write(record) = change {
///             records.insert(key.clone(), record);
///         }
///         Ok(answer)
///     }
/// }
///
/// #[async_trait::async_trait]
/// impl Store for MapStore {
///     async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
///         self.apply(key, claim)
///     }
///
///     async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
///         self.apply(key, Renew::new(owner))
///     }
///
///     async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
///         self.apply(key, finish)
///     }
///
///     async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
///         let records = self.0.lock().map_err(|_| StoreError::refused("the map is poisoned"))?;
///         Ok(records.get(key).filter(|record| !record.is_expired(self.1.now())).cloned())
///     }
/// }
/// ```
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Claims the lease of a key.
    ///
    /// Required for correctness: of all concurrent claims of a free key, exactly one is granted.
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError>;

    /// Prolongs a lease.
    ///
    /// Required for correctness: a former owner gets `Lost` and changes nothing.
    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError>;

    /// Records how a run ended.
    ///
    /// Required for correctness: a former owner gets `Lost` and changes nothing, and so does a request with another fencing
    /// token than the record's.
    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError>;

    /// Loads the record, for operators.
    ///
    /// `None` when there is no record or it has expired. A record that was forgotten may be returned as a blank one
    /// ([`Record::is_blank`]).
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError>;

    /// Keeps a finished step of a run, for the next attempt.
    ///
    /// Required for correctness: a former owner gets `Lost` and changes nothing. Default: fails with
    /// [`Unsupported`](crate::Unsupported).
    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        let _ = (key, save);
        Err(StoreError::unsupported("save_step"))
    }

    /// Resolves, retries or forgets the record that an operator loaded.
    ///
    /// Required for correctness: it is refused while a lease is live, and if the record was granted again or completed since it
    /// was loaded. Default: fails with [`Unsupported`](crate::Unsupported).
    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        let _ = (key, settle);
        Err(StoreError::unsupported("settle"))
    }

    /// Lists some of the records under a prefix, for operators.
    ///
    /// The store chooses the order. A record that exists during the whole listing is on one of the pages. Blank and expired
    /// records may be left out. Default: fails with [`Unsupported`](crate::Unsupported).
    async fn list(&self, list: &List) -> Result<Page, StoreError> {
        let _ = list;
        Err(StoreError::unsupported("list"))
    }

    /// Deletes up to `limit` expired records, and returns how many.
    ///
    /// Required for correctness: it never deletes a record that has not expired. It only frees space, because an expired
    /// record counts as absent everywhere. Default: fails with [`Unsupported`](crate::Unsupported), which suits a store that
    /// deletes expired records itself.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let _ = limit;
        Err(StoreError::unsupported("sweep"))
    }

    /// The completed operation, if it is in this process's memory.
    ///
    /// It only saves a claim: `None` is always correct. Default: `None`.
    fn peek(&self, key: &Key) -> Option<Completed> {
        let _ = key;
        None
    }

    /// Completes when the key's record may have changed: the notification.
    ///
    /// It only shortens waiting, because a waiting call also claims again after each pause. It may complete too early or not
    /// at all. Default: never completes.
    async fn changed(&self, key: &Key) {
        let _ = key;
        std::future::pending().await
    }
}

/// The store of [`Idem::disabled`](crate::Idem::disabled): it refuses every verb.
#[derive(Debug)]
pub(crate) struct DisabledStore;

fn refused<T>() -> Result<T, StoreError> {
    Err(StoreError::refused("this Idem is disabled and has no store"))
}

#[async_trait]
impl Store for DisabledStore {
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
