use super::*;

/// The error table of the README: (error, `retry_after`).
#[test]
fn errors_say_what_to_do_next() {
    let op = || Cow::Borrowed("payments.charge");
    let second = Some(Duration::from_secs(1));
    let table: Vec<(Error, Option<Duration>)> = vec![
        (Error::InProgress { operation: op(), retry_after: Duration::from_secs(7) }, Some(Duration::from_secs(7))),
        (Error::KeyReused { operation: op() }, None),
        (Error::Indeterminate { operation: op(), attempt: 2 }, None),
        (Error::Unreplayable { operation: op() }, None),
        (Error::Decode { operation: op(), source: "no".into() }, None),
        (Error::InvalidKey { operation: op(), reason: InvalidKey::Empty }, None),
        (Error::Store { operation: op(), source: StoreError::unknown("silent") }, second),
        (Error::Store { operation: op(), source: StoreError::not_applied("refused") }, second),
        (Error::Store { operation: op(), source: StoreError::refused("full") }, None),
        (Error::ShuttingDown { operation: op() }, second),
        (Error::Reentrant { operation: op() }, None),
        (Error::NotInstalled { operation: op() }, None),
        (Error::config(op(), "a mistake"), None),
    ];
    for (error, retry_after) in table {
        assert_eq!(error.operation(), "payments.charge", "{error}");
        assert_eq!(error.retry_after(), retry_after, "{error}");
        assert_eq!(error.is_retryable(), retry_after.is_some(), "{error}");
        assert!(error.to_string().starts_with("payments.charge: "), "{error}");
    }
}

#[test]
#[allow(unused_qualifications)] // size_of is in newer preludes only
fn errors_are_small_enough_to_return_by_value() {
    assert!(std::mem::size_of::<Error>() <= 128);
}

#[test]
fn what_is_behind_an_error_can_be_seen() {
    let error = Error::Store { operation: "op".into(), source: StoreError::unknown("the wire was cut") };
    let chain = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    let chain: Vec<_> = chain.map(ToString::to_string).collect();
    assert_eq!(
        chain,
        [
            "op: the store failed",
            "the request to the store failed; it may or may not have been applied",
            "the wire was cut"
        ]
    );
}
