//! Errors of every kind.

use idem_core::{private, Error};

/// One error of each variant there is, for tests of what your service makes of them.
///
/// ```
/// for error in idem_testing::every_error() {
///     // A client is told to come back exactly when it may.
///     assert_eq!(error.is_retryable(), error.retry_after().is_some(), "{error}");
/// }
/// ```
#[must_use]
pub fn every_error() -> Vec<Error> {
    private::every_error()
}
