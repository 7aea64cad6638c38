//! The engine of `idem`, which makes async functions safe to retry.
//!
//! Use it through the façade `idem-rs`, which adds the `#[idempotent]` attribute. Depend on this crate to write a
//! [`Store`].

// In layers, lowest first. A module imports only from modules above it in this list.
mod clock;
mod error;
mod fingerprint;
mod outcome;
mod sync;

mod codec;
mod key;

mod operation;
mod record;

mod context;
mod telemetry;
mod transition;

mod results;
mod retry;
mod store;

mod drain;

mod engine;

mod idem;

#[doc(hidden)]
pub mod private;

pub use clock::{Clock, SystemClock, Timestamp};
pub use codec::{Codec, Seal, SealError};
pub use context::{current, with_outcome, Current};
pub use error::{Applied, Error, InvalidKey, StoreError, Unsupported};
pub use fingerprint::{Fingerprint, Unserializable};
pub use idem::{
    install, Builder, DetachedOperation, Idem, OperationBuilder, Plain, Policy, Reconcile, RecordErr, RecordIf, Scoped,
    UnknownErr,
};
pub use key::{hash, Hashed, IntoKey, Key, KeyPart, KeyWriter};
pub use outcome::{CallError, Kind, Outcome};
pub use record::{Completed, Completion, Owner, Payload, PayloadError, Record, RecordError, State, Step, Steps};
pub use store::{CasStore, ConditionalStore, Cursor, KeyedNotify, List, Listed, Page, Store, Waiter};
#[cfg(feature = "moka")]
pub use store::{FullError, MokaStore, MokaStoreBuilder, Tiered, WhenFull};
pub use transition::{
    transition, Change, Claim, Claimed, Ending, Finish, Grant, Ownership, Renew, SaveStep, Settle, Settled, Settlement,
    Verb,
};
