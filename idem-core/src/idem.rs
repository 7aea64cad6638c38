//! `Idem`: the handle that users hold.

mod builder;
mod operation;
mod operator;
mod options;
mod policy;
mod scope;

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use builder::Builder;
pub use operation::{DetachedOperation, OperationBuilder};
pub use options::Options;
pub use policy::{Plain, Policy, Reconcile, RecordErr, RecordIf, UnknownErr};
pub use scope::Scoped;

use crate::engine::Engine;
use crate::error::Error;
use crate::store::{DisabledStore, Store};

/// Guards operations with one store.
///
/// Create one at start-up. Then [`install`] it, make it ambient with [`scope`](Self::scope), or name it in each attribute
/// with `idem = …`. A clone is the same `Idem`. Share one: concurrent calls of one key follow each other within an `Idem`, but
/// two `Idem`s over one store behave like two processes.
///
/// ```
/// use idem_core::{Idem, Kind, MokaStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), idem_core::CallError<String>> {
/// let idem = Idem::new(MokaStore::new());
/// let charge = idem.operation("payments.charge").key(7);
/// let receipt = charge.run(async { Ok::<_, String>(500) }).await?;
/// let again = charge.run(async { Ok::<_, String>(0) }).await?;
/// assert_eq!((receipt.kind(), again.kind()), (Kind::Executed, Kind::Replayed));
/// assert_eq!(receipt.into_inner(), again.into_inner());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Idem {
    pub(crate) engine: Arc<Engine>,
}

static INSTALLED: OnceLock<Idem> = OnceLock::new();

impl Idem {
    /// Makes an `Idem` over `store` with the defaults of [`Builder`]: TTL 24 h, lease 15 s, wait 25 s, store time-out 5 s.
    #[must_use]
    pub fn new(store: impl Store) -> Self {
        Builder::new(store).with_defaults()
    }

    /// Makes a [`Builder`] of an `Idem` over `store`.
    #[must_use]
    pub fn builder(store: impl Store) -> Builder {
        Builder::new(store)
    }

    /// Makes an `Idem` that guards nothing: every body runs, and [`unguarded`](Self::unguarded) counts it. For an emergency
    /// switch, and for tests of bodies.
    #[must_use]
    pub fn disabled() -> Self {
        Builder::new(DisabledStore).disabled().with_defaults()
    }

    /// How many bodies ran unguarded, in this `Idem` and its clones: without a key, without the store's answer
    /// ([`Builder::fail_open`]), or because the `Idem` is [`disabled`](Self::disabled).
    #[must_use]
    pub fn unguarded(&self) -> u64 {
        self.engine.count_unguarded()
    }

    /// Prepares for exit: refuses new claims and waits for the calls that are under way. Call it on SIGTERM.
    ///
    /// New calls get [`Error::ShuttingDown`]; results in the store's memory are still replayed. It waits up to `timeout` for
    /// running bodies (detached ones, too), for their outcomes to be recorded, and for the outcomes of dropped calls. Returns
    /// how many calls had not ended when `timeout` was over. Zero: the process can exit without losing an outcome.
    ///
    /// # Cancel safety
    /// Dropping the future stops the wait. New calls are still refused.
    pub async fn drain(&self, timeout: Duration) -> usize {
        self.engine.drain(timeout).await
    }

    /// Deletes up to `limit` expired records, and returns how many.
    ///
    /// Call it periodically for PostgreSQL and SQLite. Redis expires records itself. `MokaStore` removes up to two expired records
    /// with each one that it writes; after a burst of calls, `sweep` frees the memory sooner.
    ///
    /// # Errors
    /// [`Error::Store`] when the store fails or does not support `sweep`.
    pub async fn sweep(&self, limit: usize) -> Result<usize, Error> {
        self.engine.sweep(limit).await
    }

    /// Makes an operation without the attribute. With the same name and key it uses the same record as the attribute.
    pub fn operation(&self, name: impl Into<Cow<'static, str>>) -> OperationBuilder {
        OperationBuilder::new(Options::new(IdemRef::Shared(self.clone()), name.into()))
    }
}

/// Installs `idem` for this process: calls outside any [`scope`](Idem::scope) that name no `Idem` use it.
///
/// # Errors
/// [`Error::Config`] when one is already installed. That one stays.
///
/// ```
/// use idem_core::{Idem, MokaStore};
///
/// idem_core::install(Idem::new(MokaStore::new()))?;
/// assert!(idem_core::install(Idem::new(MokaStore::new())).is_err());
/// # Ok::<(), idem_core::Error>(())
/// ```
pub fn install(idem: Idem) -> Result<(), Error> {
    INSTALLED.set(idem).map_err(|_| Error::config("idem", "an Idem is already installed: call idem::install once"))
}

/// The ambient `Idem`: the innermost scope's, otherwise the installed one.
#[inline]
pub(crate) fn ambient(operation: &'static str) -> Result<IdemRef, Error> {
    match scope::current() {
        Some(idem) => Ok(IdemRef::Shared(idem)),
        None => INSTALLED.get().map(IdemRef::Static).ok_or_else(|| Error::NotInstalled { operation: operation.into() }),
    }
}

/// An `Idem`. The installed one is borrowed, because it lives as long as the process: no reference is counted.
#[derive(Debug, Clone)]
pub(crate) enum IdemRef {
    Static(&'static Idem),
    Shared(Idem),
}

impl Deref for IdemRef {
    type Target = Idem;

    fn deref(&self) -> &Idem {
        match self {
            Self::Static(idem) => idem,
            Self::Shared(idem) => idem,
        }
    }
}
