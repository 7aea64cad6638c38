#![doc = include_str!("../README.md")]

pub use idem_core::*;
pub use idem_macros::idempotent;

#[doc(hidden)]
pub use idem_core::private;
