//! The table, row by row.

use std::collections::BTreeMap;

use super::{Refusal, ABORTED, FAILED_PRECONDITION, INTERNAL, INVALID_ARGUMENT, UNAVAILABLE};
use crate::service::ChargeError;

/// The variant's name, as its `Debug` begins.
fn variant(error: &idem::Error) -> String {
    format!("{error:?}").chars().take_while(|c| c.is_alphanumeric()).collect()
}

#[test]
fn every_error_has_its_row() {
    let rows = BTreeMap::from([
        ("InProgress", (409, ABORTED)),
        ("KeyReused", (422, FAILED_PRECONDITION)),
        ("Indeterminate", (409, FAILED_PRECONDITION)),
        ("Unreplayable", (409, FAILED_PRECONDITION)),
        ("Decode", (500, INTERNAL)),
        ("InvalidKey", (400, INVALID_ARGUMENT)),
        ("Store", (503, UNAVAILABLE)),
        ("ShuttingDown", (503, UNAVAILABLE)),
        ("Reentrant", (500, INTERNAL)),
        ("NotInstalled", (500, INTERNAL)),
        ("Config", (500, INTERNAL)),
    ]);
    let mut seen: Vec<String> = Vec::new();
    for error in idem_testing::every_error() {
        let refusal = Refusal::from(&error);
        let name = variant(&error);
        assert_eq!((refusal.status, refusal.code), rows[name.as_str()], "{name}");
        assert_eq!(refusal.retry_after.is_some(), error.is_retryable(), "{name}");
        assert_eq!(refusal.text, error.to_string());
        // The service's error says the same.
        assert_eq!(Refusal::from(&ChargeError::Idempotency(error)), refusal);
        seen.push(name);
    }
    seen.sort();
    seen.dedup();
    assert!(rows.keys().eq(seen.iter()), "each row is seen: {seen:?}");
}

#[test]
fn retry_after_is_never_too_early() {
    for error in idem_testing::every_error() {
        if let (Some(after), Some(seconds)) = (error.retry_after(), Refusal::from(&error).retry_after) {
            let seconds = std::time::Duration::from_secs(seconds);
            assert!(seconds >= after && seconds - after < std::time::Duration::from_secs(1), "{error:?}");
        }
    }
}
