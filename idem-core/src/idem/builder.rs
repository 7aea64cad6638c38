//! Settings of an `Idem`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Idem;
use crate::codec::Codec;
use crate::engine::{Engine, Settings, Spawner};
use crate::error::Error;
use crate::seal::Seal;
use crate::store::Store;

/// Builds an [`Idem`] with settings of its own.
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

    /// Keeps this service's records apart from others' in the same store. Default: empty.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.settings.namespace = namespace.into();
        self
    }

    /// How long a recorded result is replayed, counted from its recording; at least 1 ms. Default: 24 h.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.settings.ttl = ttl;
        self
    }

    /// How long a silent owner keeps a key; renewed every third of it while the body runs; at least 10 ms. Default: 15 s. The store
    /// is given no more than a third of it for an answer, also where a call only waits.
    #[must_use]
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease;
        self
    }

    /// How long a duplicate waits for the running call; zero refuses at once. Default: 25 s.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.settings.wait = wait;
        self
    }

    /// How long the store may take to answer; never more than a third of the call's lease. Default: 5 s.
    #[must_use]
    pub const fn store_timeout(mut self, store_timeout: Duration) -> Self {
        self.settings.store_timeout = store_timeout;
        self
    }

    /// The format of recorded results. Records outlive a change of it: each says which one it is in. Default:
    /// [`Codec::Json`].
    #[must_use]
    pub const fn codec(mut self, codec: Codec) -> Self {
        self.settings.codec = codec;
        self
    }

    /// Seals recorded results: encrypts them, say. Those recorded before are replayed as they are. Default: they are stored
    /// as the codec writes them.
    #[must_use]
    pub fn seal(mut self, seal: impl Seal) -> Self {
        self.settings.seal = Some(Arc::new(seal));
        self
    }

    /// Runs bodies unguarded while the store does not answer, instead of refusing their calls. Default: off.
    ///
    /// **A retry that meets the store's absence runs the body again.** Within this process still only one body at a time runs
    /// for a key; an operation with `at_most_once` is refused all the same, and so is a call that has heard of an owner, or
    /// whose process is still sending a success of that key ([`Error::InProgress`]). What an unguarded run comes to reaches only
    /// its own caller ([`Kind::Unguarded`]), unless the store may have heard of its claim: then a success is sent for a lease, and
    /// recorded where nobody has taken over.
    ///
    /// [`Kind::Unguarded`]: crate::Kind::Unguarded
    #[must_use]
    pub const fn fail_open(mut self) -> Self {
        self.settings.fail_open = true;
        self
    }

    /// How to spawn outside a tokio runtime: what detached runs and endings after a drop are handed to.
    ///
    /// Default: the tokio runtime around the call; elsewhere nothing, and then `detached` is refused and a dropped run's
    /// lease runs out.
    #[must_use]
    pub fn spawner(mut self, spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static) -> Self {
        self.spawner = Some(Spawner::new(spawn));
        self
    }

    /// The `Idem`.
    ///
    /// # Errors
    /// [`Error::Config`] when the TTL is under 1 ms, the lease under 10 ms, or the store's time-out zero.
    pub fn build(self) -> Result<Idem, Error> {
        let Settings { ttl, lease, store_timeout, .. } = self.settings;
        Settings::check(ttl, lease).map_err(|reason| Error::config("idem", reason))?;
        if store_timeout.is_zero() {
            return Err(Error::config("idem", "`store_timeout` is zero: no store is that fast"));
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
