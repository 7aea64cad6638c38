//! Makes async functions safe to retry.

pub use idem_core::*;
pub use idem_macros::idempotent;

#[doc(hidden)]
pub use idem_core::private;
