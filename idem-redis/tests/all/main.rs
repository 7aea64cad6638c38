//! The store against real servers.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[cfg(feature = "cluster")]
mod cluster;
mod conformance;
mod figures;
mod format;
mod lost;
mod push;
mod refusals;
#[cfg(feature = "sentinel")]
mod sentinel;
mod start;
mod support;
#[cfg(feature = "tls")]
mod tls;
mod trips;
