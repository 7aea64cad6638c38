//! Policies: what an operation does with its outcomes. They are types, so that an operation that only inspects its record needs
//! no result types.

use std::fmt;
use std::future::{Future, Pending};

use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::results::OutcomePolicy;
use crate::results::ResultCodec;

/// What an operation does with outcomes of the types `T` and `E`. The methods of
/// [`OperationBuilder`](crate::OperationBuilder) build it; do not implement it.
pub trait Policy<T, E> {
    #[doc(hidden)]
    type Reconcile: Future<Output = Result<Option<T>, E>>;

    #[doc(hidden)]
    fn rules(&self, rules: OutcomePolicy<T, E>) -> OutcomePolicy<T, E>;

    #[doc(hidden)]
    fn reconcile(&self) -> Option<Self::Reconcile>;
}

/// The default policy: every `Ok` is a success, every `Err` a known failure.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

/// A policy with a rule for `Ok` values; made by [`record_if`](crate::OperationBuilder::record_if).
pub struct RecordIf<P, T>(pub(super) P, pub(super) fn(&T) -> bool);

/// A policy that records errors; made by [`record_err`](crate::OperationBuilder::record_err).
pub struct RecordErr<P, E>(pub(super) P, pub(super) fn(&E) -> bool);

/// A policy with a rule for errors with an unknown outcome; made by [`unknown_err`](crate::OperationBuilder::unknown_err).
pub struct UnknownErr<P, E>(pub(super) P, pub(super) fn(&E) -> bool);

/// A policy that finds out the outcome of an earlier attempt; made by
/// [`reconcile`](crate::OperationBuilder::reconcile).
#[derive(Clone)]
pub struct Reconcile<P, R>(pub(super) P, pub(super) R);

impl<T, E> Policy<T, E> for Plain {
    type Reconcile = Pending<Result<Option<T>, E>>;

    fn rules(&self, rules: OutcomePolicy<T, E>) -> OutcomePolicy<T, E> {
        rules
    }

    fn reconcile(&self) -> Option<Self::Reconcile> {
        None
    }
}

impl<P: Policy<T, E>, R: Fn() -> F, F: Future<Output = Result<Option<T>, E>>, T, E> Policy<T, E> for Reconcile<P, R> {
    type Reconcile = F;

    fn rules(&self, rules: OutcomePolicy<T, E>) -> OutcomePolicy<T, E> {
        self.0.rules(rules)
    }

    fn reconcile(&self) -> Option<F> {
        Some((self.1)())
    }
}

impl<P: Policy<T, E>, T, E> Policy<T, E> for RecordIf<P, T> {
    type Reconcile = P::Reconcile;

    fn rules(&self, rules: OutcomePolicy<T, E>) -> OutcomePolicy<T, E> {
        OutcomePolicy { record_if: Some(self.1), ..self.0.rules(rules) }
    }

    fn reconcile(&self) -> Option<P::Reconcile> {
        self.0.reconcile()
    }
}

impl<P: Policy<T, E>, T, E: Serialize + DeserializeOwned> Policy<T, E> for RecordErr<P, E> {
    type Reconcile = P::Reconcile;

    fn rules(&self, rules: OutcomePolicy<T, E>) -> OutcomePolicy<T, E> {
        OutcomePolicy { record_err: Some((self.1, ResultCodec::decoding_errors())), ..self.0.rules(rules) }
    }

    fn reconcile(&self) -> Option<P::Reconcile> {
        self.0.reconcile()
    }
}

impl<P: Policy<T, E>, T, E> Policy<T, E> for UnknownErr<P, E> {
    type Reconcile = P::Reconcile;

    fn rules(&self, rules: OutcomePolicy<T, E>) -> OutcomePolicy<T, E> {
        OutcomePolicy { unknown_err: Some(self.1), ..self.0.rules(rules) }
    }

    fn reconcile(&self) -> Option<P::Reconcile> {
        self.0.reconcile()
    }
}

impl<P: fmt::Debug, R> fmt::Debug for Reconcile<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reconcile").field(&self.0).finish()
    }
}

macro_rules! plain_traits {
    ($($policy:ident)*) => {$(
        impl<P: Clone, X> Clone for $policy<P, X> {
            fn clone(&self) -> Self {
                Self(self.0.clone(), self.1)
            }
        }

        impl<P: fmt::Debug, X> fmt::Debug for $policy<P, X> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($policy)).field(&self.0).finish()
            }
        }
    )*};
}

plain_traits!(RecordIf RecordErr UnknownErr);
