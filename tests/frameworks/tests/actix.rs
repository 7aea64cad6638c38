//! The service in actix-web.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;
mod http;

use common::{check, Framework};
use http::Http;
use idem::Idem;

#[test]
fn actix_charges_once() {
    check::<Http>(&Framework {
        idem: |store| Idem::new(store),
        serve: |listener, idem, till| {
            actix_web::rt::System::new().block_on(idem_frameworks::actix::serve(listener, idem, till)).unwrap();
        },
        drops_handlers: true,
    });
}
