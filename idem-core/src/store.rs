//! Where records live.

mod cas;
mod forward;
mod list;
#[cfg(feature = "moka")]
mod moka;
mod nowhere;
#[cfg(feature = "moka")]
mod tiered;

use std::fmt;

use async_trait::async_trait;

pub use self::cas::{CasStore, ConditionalStore};
pub use self::list::{Cursor, List, Listed, Page};
#[cfg(feature = "moka")]
pub use self::moka::{FullError, MokaStore, MokaStoreBuilder, WhenFull};
pub(crate) use self::nowhere::Nowhere;
#[cfg(feature = "moka")]
pub use self::tiered::Tiered;
use crate::error::StoreError;
use crate::key::Key;
use crate::record::{Completed, Owner, Record};
use crate::transition::{Claim, Claimed, Finish, Ownership, SaveStep, Settle, Settled};

/// A place where records live, shared by every process that uses it.
///
/// Each verb applies [`transition`](crate::transition) to one key's record, atomically against every other verb on the same
/// key, by the store's own clock. Answers are values, also the ones that refuse; an error means the store could not answer,
/// and says whether the verb may have been applied all the same. A verb may be sent twice: the second time it answers the
/// same and changes nothing more.
///
/// A store keeps no state per call; one value serves all of them at once. A verb's future may be dropped at any point, as the
/// engine does at every time-out: whatever it holds must be let go of, and the verb may have been applied or not.
///
/// A key is up to about 8 KiB long as bytes, and the program's own names for namespace and operation; a result up to 1 MiB and
/// a few bytes. A store that will not take as much refuses the ending, and is then asked to keep that it is done.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Asks for a key. *Correctness*: of all claims on a key that is free, exactly one is granted.
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError>;

    /// Keeps a key for another lease. *Correctness*: a former owner gets `Lost` and changes nothing.
    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError>;

    /// Ends a run. *Correctness*: a former owner gets `Lost` and changes nothing; so does the owner of another fence.
    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError>;

    /// The record as it is, for operators. A record whose retention is over is none; one that was forgotten may be a blank
    /// ([`Record::is_blank`]).
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError>;

    /// Keeps what a run has finished so far, for the next attempt. *Correctness*: as [`finish`](Self::finish). The default says
    /// that the store cannot.
    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        let _ = (key, save);
        Err(StoreError::unsupported("save_step"))
    }

    /// An operator's ending, of the record that was just loaded. *Correctness*: refused on a live lease, and when the record
    /// is another one by now. The default says that the store cannot.
    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        let _ = (key, settle);
        Err(StoreError::unsupported("settle"))
    }

    /// Some of the records under a prefix, in an order of the store's own; for operators. A record that is there all the
    /// while is on one of the pages; blank and expired ones need not be. The default says that the store cannot.
    async fn list(&self, list: &List) -> Result<Page, StoreError> {
        let _ = list;
        Err(StoreError::unsupported("list"))
    }

    /// Deletes up to `limit` records whose retention is over, and says how many. *Speed only*: such a record counts as none
    /// wherever it is met. *Correctness*: never deletes one whose retention is not over. The default says that the store
    /// cannot, as one need not that forgets by itself.
    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let _ = limit;
        Err(StoreError::unsupported("sweep"))
    }

    /// The done operation, if this process has it at hand. *Speed only*: `None` is always right. The default has nothing at
    /// hand.
    fn peek(&self, key: &Key) -> Option<Completed> {
        let _ = key;
        None
    }

    /// Completes when the key may have news. *Speed only*: whoever waits also asks now and then, and an early or missing
    /// hint does no harm. The default never completes.
    async fn changed(&self, key: &Key) {
        let _ = key;
        std::future::pending().await
    }
}
