//! All that `idem` relies on, asked of the store in every shape it is used in.

use std::sync::Arc;

use idem_core::{Store, Tiered};
use idem_test_servers::Redis;
use idem_testing::{conformance, Suite};

use crate::support::{builder, prefix, store};

#[tokio::test(flavor = "multi_thread")]
async fn one_handle() {
    conformance(store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_handles() {
    let (url, prefix) = (Redis::shared().url(), prefix());
    let connect = || async { builder().key_prefix(&*prefix).connect(&url).await.unwrap() };
    Suite::new(connect().await).handle(connect().await).run().await.assert();
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_memory() {
    conformance(Tiered::new(store().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_pointers() {
    conformance(Arc::new(store().await) as Arc<dyn Store>).await;
    conformance(Box::new(store().await) as Box<dyn Store>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_services_own_connection_without_push() {
    let client = redis::Client::open(Redis::shared().url()).unwrap();
    let manager = client.get_connection_manager().await.unwrap();
    conformance(builder().push(false).from_connection(manager).await.unwrap()).await;
}
