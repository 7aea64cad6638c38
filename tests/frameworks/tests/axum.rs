//! The service in axum.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;
mod http;

use common::{check, Framework};
use http::Http;
use idem::Idem;

#[test]
fn axum_charges_once() {
    check::<Http>(&Framework {
        idem: |store| Idem::new(store),
        serve: |listener, idem, till| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(idem_frameworks::axum::serve(listener, idem, till)).unwrap();
        },
        drops_handlers: true,
    });
}
