//! `every_error` has every variant, once.
#![allow(clippy::expect_used, missing_docs)]

use std::collections::BTreeSet;

use idem_core::Error;
use idem_testing::every_error;

#[test]
fn one_of_each_variant() {
    let all: Vec<_> = every_error();
    let names: BTreeSet<_> =
        all.iter().map(|error| format!("{error:?}").split([' ', '{']).next().map(str::to_owned)).collect();
    assert_eq!((all.len(), names.len()), (11, 11));
    // A variant that is new stops this from compiling where the enum is defined, and is added there.
    assert!(all.iter().all(|error| error.operation() == "payments.charge" && !error.to_string().is_empty()));
    let retryable: Vec<_> = all.iter().filter(|error| error.is_retryable()).collect();
    assert!(retryable
        .iter()
        .all(|error| { matches!(error, Error::InProgress { .. } | Error::Store { .. } | Error::ShuttingDown { .. }) }));
    assert_eq!(retryable.len(), 3);
}
