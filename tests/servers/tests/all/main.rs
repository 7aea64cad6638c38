//! What the servers of the other tests promise.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod cluster;
mod orphans;
mod pgbouncer;
mod postgres;
mod proxy;
mod redis;
mod support;
