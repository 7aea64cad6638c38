//! How a guarded call was answered.

use std::fmt;

use crate::error::Error;

/// Where the answer of a guarded call came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The body ran, in this call.
    Executed,
    /// This call waited for a running one and got its result.
    Attached,
    /// The result had been recorded before.
    Replayed,
    /// An earlier attempt's outcome was unknown, and `reconcile` answered: with its result, or with an error of its own.
    Reconciled,
    /// The body ran without protection: there was no key, or no answer of the store and that was chosen
    /// ([`Builder::fail_open`](crate::Builder::fail_open)), or the `Idem` is disabled.
    Unguarded,
}

impl Kind {
    /// Whether the answer is another call's result: the body did not run in this one.
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

/// Why [`run`](crate::OperationBuilder::run) has no value: this library's reason, or the body's own error, untouched.
#[derive(Debug)]
pub enum CallError<E> {
    /// The body did not run, or its recorded result could not be had.
    Idem(Error),
    /// The body ran and this is its error.
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
