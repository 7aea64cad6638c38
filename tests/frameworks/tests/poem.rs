//! The service in poem.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;
mod http;

use common::{check, Framework};
use http::Http;
use idem::Idem;

#[test]
fn poem_charges_once() {
    check::<Http>(&Framework {
        idem: |store| Idem::new(store),
        serve: |listener, idem, till| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(idem_frameworks::poem::serve(listener, idem, till)).unwrap();
        },
        // When a connection ends in an error, poem 3.1 awaits it once more, and its handler with it.
        drops_handlers: false,
    });
}
