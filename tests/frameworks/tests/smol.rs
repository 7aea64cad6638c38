//! The service on smol.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;
mod http;

use common::{check, Framework};
use http::Http;

#[test]
fn smol_charges_once() {
    check::<Http>(&Framework {
        idem: |store| idem_frameworks::smol::idem(store).unwrap(),
        serve: |listener, idem, till| {
            smol::block_on(idem_frameworks::smol::serve(listener, idem, till)).unwrap();
        },
        drops_handlers: true,
    });
}
