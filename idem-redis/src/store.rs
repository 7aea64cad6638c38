//! The store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use idem_core::{
    transition, Change, Claim, Claimed, Completion, Ending, Finish, Grant, Key, List, Owner, Ownership, Page, Record,
    Renew, SaveStep, Settle, Settled, Settlement, Store, StoreError, Timestamp, Verb,
};

use crate::builder::RedisStoreBuilder;
use crate::error::{Error, Unreadable};
use crate::link::{Connection, Link};
use crate::list;
use crate::look::Warning;
use crate::script::{self, Answer, Script};
use crate::subscriptions::Subscriptions;
use crate::text::to_hex;

/// Records in Redis or Valkey, shared by every process that uses the same server and prefix.
///
/// Each verb is one script on one key: one round trip, atomic, and timed by the server's clock, so a wrong clock of a client
/// does no harm. A replay writes nothing. The [crate's documentation](crate) says what the store guarantees, what a failover can
/// lose, and how a record looks in `redis-cli`.
///
/// A clone is the same store on the same connection. A verb's future may be dropped at any time; the connection stays usable. If
/// the future is dropped after a second or more without an answer, the next verb connects again.
#[derive(Clone)]
pub struct RedisStore {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) link: Link,
    pub(crate) prefix: Vec<u8>,
    /// The largest argument that the server accepts, in bytes.
    pub(crate) limit: usize,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) subscriptions: Option<Subscriptions>,
}

impl RedisStore {
    /// Connects to one server, with the defaults of [`builder`](Self::builder).
    ///
    /// # Errors
    /// As [`RedisStoreBuilder::connect`].
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::builder().connect(url).await
    }

    /// A store with other settings.
    #[must_use]
    pub fn builder() -> RedisStoreBuilder {
        RedisStoreBuilder::default()
    }

    /// A store on the service's connection, with the defaults of [`builder`](Self::builder).
    ///
    /// # Errors
    /// As [`RedisStoreBuilder::from_connection`].
    pub async fn from_connection(connection: impl Into<Connection>) -> Result<Self, Error> {
        Self::builder().from_connection(connection).await
    }

    /// The risks to leases and records that the store found at the start and accepted.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.inner.warnings
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// The name of a record in Redis: the prefix, and the key's bytes as they are.
    fn name(&self, key: &Key) -> Vec<u8> {
        [&*self.inner.prefix, key.as_bytes()].concat()
    }

    async fn run(&self, script: &Script, key: &Key, args: &[&[u8]]) -> Result<Answer, StoreError> {
        let limit = self.inner.limit;
        if let Some(bytes) = args.iter().map(|arg| arg.len()).find(|bytes| *bytes > limit) {
            return Err(StoreError::refused(Error::TooLarge { bytes, limit }));
        }
        script.run(&self.inner.link, &self.name(key), args).await
    }

    /// The channel of a key's notifications; empty without [`push`](RedisStoreBuilder::push).
    fn channel(&self, key: &Key) -> Vec<u8> {
        self.inner.subscriptions.as_ref().map(|_| channel(&self.inner.prefix, key)).unwrap_or_default()
    }
}

/// Short and without the key's text, because `PUBSUB CHANNELS` shows the names. The names are the same for all versions.
fn channel(prefix: &[u8], key: &Key) -> Vec<u8> {
    let hash = sha1_smol::Sha1::from(key.as_bytes()).digest().bytes();
    let short = to_hex(hash.get(..10).unwrap_or(&hash));
    [prefix, b"news:", short.as_bytes()].concat()
}

/// The answer to a verb for which the script wrote nothing.
fn unchanged<V: Verb>(found: Option<&Record>, verb: V, now: Timestamp) -> Result<V::Answer, StoreError> {
    match transition(found, verb, now) {
        (Change::Keep, answer) => Ok(answer),
        // A script also checks Redis' expiry, and refuses an expired record that Redis would keep.
        (Change::Write(_), _) => Err(Error::unreadable(Unreadable::Damaged)),
    }
}

fn micros(duration: Duration) -> String {
    duration.as_micros().to_string()
}

const fn bit(set: bool) -> &'static [u8] {
    if set {
        b"1"
    } else {
        b"0"
    }
}

/// The name of a completed state in a record, and its result.
fn done(completion: &Completion) -> (&'static str, &[u8]) {
    match completion {
        Completion::Result(payload) => ("completed", payload.as_bytes()),
        _ => ("unreplayable", b""),
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        let owner = to_hex(claim.owner.as_bytes());
        let print = claim.fingerprint.as_ref().map_or_else(|| "-".to_owned(), |print| to_hex(print.as_bytes()));
        let (lease, ttl) = (micros(claim.lease), micros(claim.ttl));
        let (at_most_once, reconciling) = (bit(claim.at_most_once), bit(claim.reconciling));
        let args = [owner.as_bytes(), print.as_bytes(), at_most_once, reconciling, lease.as_bytes(), ttl.as_bytes()];
        match self.run(&script::CLAIM, key, &args).await? {
            Answer::Written(record) => {
                let grant = Grant::new(record.fence, record.attempt, record.fingerprint, record.after_unknown);
                Ok(Claimed::Granted(grant.steps(record.steps)))
            }
            Answer::Kept(found, now) => unchanged(found.as_ref(), claim, now),
            Answer::Changed => Err(StoreError::unknown(Error::answer())),
        }
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        match self.run(&script::RENEW, key, &[to_hex(owner.as_bytes()).as_bytes()]).await? {
            Answer::Kept(found, now) => unchanged(found.as_ref(), Renew::new(owner), now),
            _ => Ok(Ownership::Held),
        }
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        let (name, result) = match &finish.ending {
            Ending::Completed(completion) => done(completion),
            Ending::Failed => ("failed", &b""[..]),
            Ending::Unknown => ("unknown", &b""[..]),
            Ending::Withdrawn => ("withdrawn", &b""[..]),
            _ => return Err(StoreError::refused(Error::answer())),
        };
        let (owner, channel) = (to_hex(finish.owner.as_bytes()), self.channel(key));
        let fence = finish.fence.map(|fence| fence.to_string()).unwrap_or_default();
        let args = [owner.as_bytes(), fence.as_bytes(), name.as_bytes(), result, &channel];
        match self.run(&script::FINISH, key, &args).await? {
            Answer::Kept(found, now) => unchanged(found.as_ref(), finish, now),
            _ => Ok(Ownership::Held),
        }
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        match self.run(&script::LOAD, key, &[]).await? {
            Answer::Kept(found, now) => Ok(found.filter(|record| !record.is_expired(now))),
            _ => Err(StoreError::unknown(Error::answer())),
        }
    }

    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        let (owner, index, step) = (to_hex(save.owner.as_bytes()), save.index.to_string(), save.step.to_bytes());
        match self.run(&script::SAVE_STEP, key, &[owner.as_bytes(), index.as_bytes(), &step]).await? {
            Answer::Kept(found, now) => unchanged(found.as_ref(), save, now),
            _ => Ok(Ownership::Held),
        }
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        let (name, result) = match &settle.settlement {
            Settlement::Completed(completion) => done(completion),
            Settlement::Failed => ("failed", &b""[..]),
            Settlement::Forgotten => ("forgotten", &b""[..]),
            _ => return Err(StoreError::refused(Error::answer())),
        };
        let (fence, owner, channel) = (settle.fence.to_string(), to_hex(settle.owner.as_bytes()), self.channel(key));
        let args = [fence.as_bytes(), bit(settle.done), owner.as_bytes(), name.as_bytes(), result, &channel];
        match self.run(&script::SETTLE, key, &args).await? {
            Answer::Kept(found, now) => unchanged(found.as_ref(), settle.clone(), now),
            _ => Ok(Settled::Applied),
        }
    }

    /// In the order of Redis' hash table, by `SCAN`. A page costs two round trips; it may contain up to a hundred records more
    /// than `limit`, or none even if more pages follow. On a cluster the pages go from one master to the next.
    async fn list(&self, list: &List) -> Result<Page, StoreError> {
        list::page(&self.inner.link, &self.inner.prefix, list).await
    }

    /// Completes after a message from Redis: see [`RedisStoreBuilder::push`].
    async fn changed(&self, key: &Key) {
        match &self.inner.subscriptions {
            Some(subscriptions) => subscriptions.wait(&channel(&self.inner.prefix, key)).await,
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { link, prefix, warnings, subscriptions, .. } = &*self.inner;
        f.debug_struct("RedisStore")
            .field("connection", link)
            .field("key_prefix", &String::from_utf8_lossy(prefix))
            .field("push", &subscriptions.is_some())
            .field("warnings", warnings)
            .finish_non_exhaustive()
    }
}
