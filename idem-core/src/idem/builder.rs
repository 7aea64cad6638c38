//! The settings of an `Idem`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Idem;
use crate::codec::{Codec, Seal};
use crate::engine::{Engine, Settings, Spawner};
use crate::error::Error;
use crate::store::Store;

/// Builds an [`Idem`]; made by [`Idem::builder`].
///
/// | setting | default |
/// |---|---|
/// | [`namespace`](Self::namespace) | empty |
/// | [`ttl`](Self::ttl) | 24 h |
/// | [`lease`](Self::lease) | 15 s |
/// | [`wait`](Self::wait) | 25 s |
/// | [`store_timeout`](Self::store_timeout) | 5 s |
/// | [`codec`](Self::codec) | JSON |
/// | [`seal`](Self::seal) | none |
/// | [`fail_open`](Self::fail_open) | off |
/// | [`spawner`](Self::spawner) | the tokio runtime around the call |
///
/// ```
/// use std::time::Duration;
///
/// use idem_core::{Idem, MokaStore};
///
/// let idem = Idem::builder(MokaStore::new())
///     .namespace("billing")
///     .ttl(Duration::from_secs(48 * 60 * 60))
///     .wait(Duration::ZERO)
///     .build()?;
/// # drop(idem);
/// # Ok::<(), idem_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Builder {
    store: Arc<dyn Store>,
    settings: Settings,
    spawner: Option<Spawner>,
}

impl Builder {
    pub(super) fn new(store: impl Store) -> Self {
        let settings = Settings {
            namespace: Box::default(),
            ttl: Duration::from_secs(24 * 60 * 60),
            lease: Duration::from_secs(15),
            wait: Duration::from_secs(25),
            store_timeout: Duration::from_secs(5),
            codec: Codec::default(),
            seal: None,
            fail_open: false,
            disabled: false,
        };
        Self { store: Arc::new(store), settings, spawner: None }
    }

    /// Sets the namespace, which separates this service's records from those of other services in the same store. Default:
    /// empty.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.settings.namespace = namespace.into();
        self
    }

    /// Sets how long a recorded result is replayed, counted from its recording. At least 1 ms. Default: 24 h.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.settings.ttl = ttl;
        self
    }

    /// Sets the lease: how long an owner that does not renew keeps the key. At least 10 ms. Default: 15 s.
    ///
    /// The lease is renewed every third of its length while the body runs. One request to the store may take at most a third of
    /// the lease, even if the call only waits.
    #[must_use]
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease;
        self
    }

    /// Sets how long a duplicate waits for the running call before it gets [`Error::InProgress`]. Zero: it does not wait.
    /// Default: 25 s.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.settings.wait = wait;
        self
    }

    /// Sets how long a call tries to get the store's answer to one request. It is cut to a third of the call's lease. Not zero.
    /// Default: 5 s.
    ///
    /// Within this time the call sends the request again, after growing pauses, if the store was not reached or did not answer.
    /// So a restart of the store that takes a second is not an error. A call that waits for another one goes on asking until
    /// its [`wait`](Self::wait) ends. A call with [`fail_open`](Self::fail_open) runs unguarded only after this time.
    #[must_use]
    pub const fn store_timeout(mut self, store_timeout: Duration) -> Self {
        self.settings.store_timeout = store_timeout;
        self
    }

    /// Sets the format of recorded results. Results in another format stay readable, because each contains its codec's id.
    /// Default: [`Codec::Json`].
    #[must_use]
    pub const fn codec(mut self, codec: Codec) -> Self {
        self.settings.codec = codec;
        self
    }

    /// Sets the seal, which for example encrypts recorded results. Results that were recorded without a seal stay readable.
    /// Default: results are stored as the codec writes them.
    #[must_use]
    pub fn seal(mut self, seal: impl Seal) -> Self {
        self.settings.seal = Some(Arc::new(seal));
        self
    }

    /// Runs bodies unguarded while the store does not answer, instead of refusing their calls. Default: off.
    ///
    /// **A retry in another process, or after one lease, runs the body again while the store is down.** Limits: within this process at most one body of a key runs
    /// at a time. An operation with `at_most_once` is refused with [`Error::Store`]. A call that has learned of an owner, or
    /// whose process is still sending a success of the same key, gets [`Error::InProgress`].
    ///
    /// A success of an unguarded run ([`Kind::Unguarded`]) is recorded in the background as soon as the store answers, for up to
    /// one lease, unless another call has taken over; a retry then replays it. A failure, a panic or a drop withdraws the claim
    /// if the store may have received it.
    ///
    /// [`Kind::Unguarded`]: crate::Kind::Unguarded
    #[must_use]
    pub const fn fail_open(mut self) -> Self {
        self.settings.fail_open = true;
        self
    }

    /// Sets how tasks are spawned: detached runs, and outcomes that are recorded after a call was dropped.
    ///
    /// Default: on the tokio runtime around the call. Outside tokio and without a spawner, `detached` is refused, and the lease
    /// of a dropped run expires.
    #[must_use]
    pub fn spawner(mut self, spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static) -> Self {
        self.spawner = Some(Spawner::new(spawn));
        self
    }

    /// Builds the `Idem`.
    ///
    /// # Errors
    /// [`Error::Config`] when the TTL is under 1 ms, the lease is under 10 ms, or the store time-out is zero.
    pub fn build(self) -> Result<Idem, Error> {
        let Settings { ttl, lease, store_timeout, .. } = self.settings;
        Settings::check(ttl, lease).map_err(|reason| Error::config("idem", reason))?;
        if store_timeout.is_zero() {
            return Err(Error::config("idem", "`store_timeout` must not be zero"));
        }
        Ok(self.with_defaults())
    }

    pub(super) const fn disabled(mut self) -> Self {
        self.settings.disabled = true;
        self
    }

    pub(super) fn with_defaults(self) -> Idem {
        Idem { engine: Arc::new(Engine::new(self.store, self.settings, self.spawner)) }
    }
}
