//! Clients whose clocks are hours off, in both directions: a server times by its own. Theirs stand still, besides.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod child;
mod clerk;
mod file;
mod server;
