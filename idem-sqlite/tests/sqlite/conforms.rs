//! The conformance suite, in each way that a service may use the store.

use std::sync::Arc;

use idem_core::{Store, Tiered};
use idem_sqlite::SqliteStore;
use idem_testing::{conformance, Clock, Suite};

use crate::support::Dir;

#[tokio::test(flavor = "multi_thread")]
async fn on_one_handle() {
    let dir = Dir::new();
    Suite::new(dir.store().await).run().await.assert();
}

#[tokio::test(flavor = "multi_thread")]
async fn over_two_handles() {
    let dir = Dir::new();
    Suite::new(dir.store().await).handle(dir.store().await).run().await.assert();
}

#[tokio::test(flavor = "multi_thread")]
async fn over_two_handles_on_a_clock_to_turn() {
    let (dir, clock) = (Dir::new(), Clock::new());
    let open = || SqliteStore::builder(dir.file()).clock(clock.clone()).open();
    let report = Suite::new(open().await.unwrap()).handle(open().await.unwrap()).clock(clock.clone()).run().await;
    report.assert();
    assert!(report.skipped.is_empty(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_memory() {
    let dir = Dir::new();
    Suite::new(Tiered::new(dir.store().await)).run().await.assert();
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_pointers() {
    let dir = Dir::new();
    let store: Arc<dyn Store> = Arc::new(dir.store().await);
    conformance(Box::new(store)).await;
}
