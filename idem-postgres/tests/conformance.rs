//! The conformance suite, against a real server.
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

use idem_postgres::PgStore;
use idem_test_servers::Postgres;
use idem_testing::{conformance, Suite};

async fn store(url: &str) -> PgStore {
    PgStore::connect(url).await.expect("a store")
}

#[tokio::test(flavor = "multi_thread")]
async fn over_one_handle() {
    let database = Postgres::shared().fresh_database();
    conformance(store(&database.url()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_two_handles() {
    let database = Postgres::shared().fresh_database();
    let (one, other) = (store(&database.url()).await, store(&database.url()).await);
    Suite::new(one).handle(other).run().await.assert();
}
