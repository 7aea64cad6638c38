//! Stores that keep the contract pass the whole suite.
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use idem_core::{MokaStore, Store, Tiered};
use idem_testing::{conformance, Clock, Faulty, Report, Suite};

#[tokio::test(flavor = "multi_thread")]
async fn moka_store() {
    conformance(MokaStore::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moka_store_behind_a_pointer() {
    let store: Arc<dyn Store> = Arc::new(MokaStore::new());
    conformance(Box::new(store)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tiered() {
    conformance(Tiered::new(MokaStore::new())).await;
}

/// Two tiers are two processes, and a tier may lag behind what another process settled. No case takes longer than that.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_a_memory_over_two_handles() {
    let store = MokaStore::new();
    let handle = || Faulty::new(store.clone()).without_peek();
    Suite::new(handle()).handle(handle()).run().await.assert();
}

#[tokio::test]
async fn on_a_clock_of_its_own_nothing_is_waited_for_or_skipped() {
    let clock = Clock::new();
    let report: Report = Suite::new(MokaStore::builder().clock(clock.clone()).build()).clock(clock).run().await;
    report.assert();
    assert_eq!(report.skipped.len(), 0);
    assert!(report.passed.len() >= 60, "{report}");
    let mut names = report.passed.clone();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), report.passed.len(), "a name of its own for each case");
}

#[tokio::test(start_paused = true)]
async fn under_tokios_paused_clock() {
    conformance(MokaStore::new()).await;
}
