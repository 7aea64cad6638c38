//! The handle that users hold.

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
/// Made once at start-up and [`install`]ed, put in [`scope`](Self::scope), or named by each function with `idem = …`. A
/// clone is the same `Idem`: calls of one key meet in this process before they meet in the store, so share one rather than
/// making two over the same store.
#[derive(Debug, Clone)]
pub struct Idem {
    pub(crate) engine: Arc<Engine>,
}

static INSTALLED: OnceLock<Idem> = OnceLock::new();

impl Idem {
    /// An `Idem` over `store`, with every default of [`Builder`].
    #[must_use]
    pub fn new(store: impl Store) -> Self {
        Builder::new(store).with_defaults()
    }

    /// An `Idem` over `store`, with settings of its own.
    #[must_use]
    pub fn builder(store: impl Store) -> Builder {
        Builder::new(store)
    }

    /// An `Idem` that guards nothing: every body runs, and is counted. For a switch in an emergency, and for tests of
    /// bodies.
    #[must_use]
    pub fn disabled() -> Self {
        Builder::new(DisabledStore).disabled().with_defaults()
    }

    /// How many bodies ran unguarded, of this `Idem` and its clones: without a key, without the store's answer
    /// ([`Builder::fail_open`]), or because it is [`disabled`](Self::disabled).
    #[must_use]
    pub fn unguarded(&self) -> u64 {
        self.engine.count_unguarded()
    }

    /// For SIGTERM: refuses new claims with [`Error::ShuttingDown`], and waits for what is under way: running bodies, also
    /// detached ones, their records, and the endings of dropped calls. Results that the store has at hand in memory are still replayed.
    ///
    /// Returns how many calls had not ended when `timeout` was over; zero means that nothing is lost by exiting now.
    ///
    /// # Cancellation
    /// Dropping it stops the waiting, not the refusing.
    pub async fn drain(&self, timeout: Duration) -> usize {
        self.engine.drain(timeout).await
    }

    /// Deletes up to `limit` records whose retention is over, and says how many. Redis forgets by itself, and so does memory
    /// as it is used; for other stores, call it now and then.
    ///
    /// # Errors
    /// [`Error::Store`], also when the store cannot.
    pub async fn sweep(&self, limit: usize) -> Result<usize, Error> {
        self.engine.sweep(limit).await
    }

    /// An operation without the macro. Macro and builder address the same record when the names are the same.
    pub fn operation(&self, name: impl Into<Cow<'static, str>>) -> OperationBuilder {
        OperationBuilder::new(Options::new(Handle::Own(self.clone()), name.into()))
    }
}

/// Makes `idem` the one that all functions use which are not in a [`scope`](Idem::scope) and name none.
///
/// # Errors
/// [`Error::Config`] when one is installed already; that one stays.
pub fn install(idem: Idem) -> Result<(), Error> {
    INSTALLED.set(idem).map_err(|_| Error::config("idem", "an Idem is installed already: call idem::install once"))
}

/// The `Idem` of this place: the innermost scope's, else the installed one.
#[inline]
pub(crate) fn ambient(operation: &'static str) -> Result<Handle, Error> {
    match scope::current() {
        Some(idem) => Ok(Handle::Own(idem)),
        None => {
            INSTALLED.get().map(Handle::Installed).ok_or_else(|| Error::NotInstalled { operation: operation.into() })
        }
    }
}

/// An `Idem`, which nobody counts when it is there for ever.
#[derive(Debug, Clone)]
pub(crate) enum Handle {
    Installed(&'static Idem),
    Own(Idem),
}

impl Deref for Handle {
    type Target = Idem;

    fn deref(&self) -> &Idem {
        match self {
            Self::Installed(idem) => idem,
            Self::Own(idem) => idem,
        }
    }
}
