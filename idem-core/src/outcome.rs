//! The outcome of a guarded call, and where it came from.

use std::fmt;

use crate::error::Error;

/// Where the answer of a guarded call came from.
///
/// ```
/// use idem_core::{Idem, Kind, MokaStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), idem_core::CallError<String>> {
/// let idem = Idem::new(MokaStore::new());
/// let charge = idem.operation("payments.charge").key(7);
/// assert_eq!(charge.run(async { Ok::<_, String>(500) }).await?.kind(), Kind::Executed);
/// assert_eq!(charge.run(async { Ok::<_, String>(0) }).await?.kind(), Kind::Replayed);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The body ran in this call.
    Executed,
    /// This call waited for another one that was running, and got its result.
    Attached,
    /// The result was recorded before this call.
    Replayed,
    /// The outcome of an earlier attempt was unknown, and `reconcile` returned that attempt's result or an error.
    Reconciled,
    /// The body ran without protection: the call has no key, the store did not answer and
    /// [`fail_open`](crate::Builder::fail_open) is set, or the `Idem` is [`disabled`](crate::Idem::disabled).
    Unguarded,
}

impl Kind {
    /// Whether the body did not run in this call: `Attached`, `Replayed` or `Reconciled`.
    #[must_use]
    pub const fn is_replayed(self) -> bool {
        matches!(self, Self::Attached | Self::Replayed | Self::Reconciled)
    }
}

/// A guarded call's value and where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome<T> {
    value: T,
    kind: Kind,
}

impl<T> Outcome<T> {
    pub(crate) const fn new(value: T, kind: Kind) -> Self {
        Self { value, kind }
    }

    /// Where the value came from.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The value.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }
}

/// The error of [`OperationBuilder::run`](crate::OperationBuilder::run): this library's, or the body's own.
///
/// Its message and source are those of the error inside.
///
/// ```
/// use idem_core::{CallError, Idem, MokaStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let idem = Idem::new(MokaStore::new());
/// let answer = idem.operation("payments.charge").key(7).run(async { Err::<u32, _>("declined") }).await;
/// assert!(matches!(answer, Err(CallError::Body("declined"))));
/// # }
/// ```
#[derive(Debug)]
pub enum CallError<E> {
    /// This library's error: it refused the call, or could not read the recorded result.
    Idem(Error),
    /// The body's error: from this call, or recorded by an earlier one.
    Body(E),
}

impl<E> From<Error> for CallError<E> {
    fn from(error: Error) -> Self {
        Self::Idem(error)
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idem(error) => error.fmt(f),
            Self::Body(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error> std::error::Error for CallError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Idem(error) => error.source(),
            Self::Body(error) => error.source(),
        }
    }
}
