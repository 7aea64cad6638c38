//! What an operation does with its outcomes, as types: an operation that only asks for its record needs no types of results.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::engine::replay::Replay;
use crate::engine::rules::Rules;

/// What an operation does with outcomes of the types `T` and `E`.
pub trait Policy<T, E> {
    #[doc(hidden)]
    fn rules(&self, rules: Rules<T, E>) -> Rules<T, E>;
}

/// Every value is a success, every error a known failure.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

/// A policy with a rule for values; made by [`record_if`](crate::OperationBuilder::record_if).
pub struct RecordIf<P, T>(pub(super) P, pub(super) fn(&T) -> bool);

/// A policy with errors that are recorded; made by [`record_err`](crate::OperationBuilder::record_err).
pub struct RecordErr<P, E>(pub(super) P, pub(super) fn(&E) -> bool);

/// A policy with a rule for errors; made by [`unknown_err`](crate::OperationBuilder::unknown_err).
pub struct UnknownErr<P, E>(pub(super) P, pub(super) fn(&E) -> bool);

impl<T, E> Policy<T, E> for Plain {
    fn rules(&self, rules: Rules<T, E>) -> Rules<T, E> {
        rules
    }
}

impl<P: Policy<T, E>, T, E> Policy<T, E> for RecordIf<P, T> {
    fn rules(&self, rules: Rules<T, E>) -> Rules<T, E> {
        Rules { record_if: Some(self.1), ..self.0.rules(rules) }
    }
}

impl<P: Policy<T, E>, T, E: Serialize + DeserializeOwned> Policy<T, E> for RecordErr<P, E> {
    fn rules(&self, rules: Rules<T, E>) -> Rules<T, E> {
        Rules { record_err: Some((self.1, Replay::decoding_errors())), ..self.0.rules(rules) }
    }
}

impl<P: Policy<T, E>, T, E> Policy<T, E> for UnknownErr<P, E> {
    fn rules(&self, rules: Rules<T, E>) -> Rules<T, E> {
        Rules { unknown_err: Some(self.1), ..self.0.rules(rules) }
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
