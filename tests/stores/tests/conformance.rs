//! The conformance suite on real servers whose clock the suite turns.
#![allow(missing_docs)]

use idem_store_tests::Place;
use idem_testing::{Clock, Suite};

#[tokio::test(flavor = "multi_thread")]
async fn on_a_postgres_whose_clock_is_turned() {
    let clock = Clock::new();
    let (store, _turn) = Place::Postgres.store(clock.clone());
    let report = Suite::new(store).clock(clock).run().await;
    assert!(report.skipped.is_empty(), "{report}");
    report.assert();
}
