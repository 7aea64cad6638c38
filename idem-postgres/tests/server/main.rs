//! The store on real servers. One binary, for the sake of one shared server and one build.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod conformance;
mod crashes;
mod errors;
mod foreign;
mod golden;
mod lost;
mod migration;
mod push;
mod round_trips;
mod support;
mod sweep;
#[cfg(feature = "tls")]
mod tls;
