//! Many processes on one store: each body runs once over all of them, and what a stopped or killed one leaves is taken over.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod both;
mod child;
mod killed;
mod slow;
mod stopped;
