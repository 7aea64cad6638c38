//! The one table of what a client is told, for every framework.

use idem::Error;

use crate::service::ChargeError;

/// The header, or the gRPC metadata, of an answer that was recorded before.
pub const REPLAYED: &str = "idempotent-replayed";

/// An error as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The gRPC code.
    pub code: i32,
    /// In how many seconds the same request may be sent again; `None` when that is of no use.
    pub retry_after: Option<u64>,
    /// The body, or the gRPC message.
    pub text: String,
}

impl From<&ChargeError> for Refusal {
    fn from(error: &ChargeError) -> Self {
        match error {
            ChargeError::Declined => {
                Self { status: 402, code: FAILED_PRECONDITION, retry_after: None, text: error.to_string() }
            }
            ChargeError::Idempotency(error) => error.into(),
        }
    }
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        let (status, code) = match error {
            Error::InProgress { .. } => (409, ABORTED),
            Error::KeyReused { .. } => (422, FAILED_PRECONDITION),
            Error::Indeterminate { .. } | Error::Unreplayable { .. } => (409, FAILED_PRECONDITION),
            Error::InvalidKey { .. } => (400, INVALID_ARGUMENT),
            Error::Store { .. } | Error::ShuttingDown { .. } => (503, UNAVAILABLE),
            // `Decode`, a mistake in the program, and what later versions may add.
            _ => (500, INTERNAL),
        };
        // Whole seconds, and never too early.
        let retry_after = error.retry_after().map(|after| after.as_secs() + u64::from(after.subsec_nanos() > 0));
        Self { status, code, retry_after, text: error.to_string() }
    }
}

/// gRPC's numbers, which are HTTP frameworks' business as little as tonic is.
const INVALID_ARGUMENT: i32 = 3;
const FAILED_PRECONDITION: i32 = 9;
const ABORTED: i32 = 10;
const INTERNAL: i32 = 13;
const UNAVAILABLE: i32 = 14;

#[cfg(test)]
mod tests;
