//! What the servers of the other tests promise.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod orphans;
mod postgres;
mod redis;
mod support;
