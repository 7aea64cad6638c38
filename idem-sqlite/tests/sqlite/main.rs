//! What the store promises, asked of real files.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod child;
mod clocks;
mod conforms;
mod errors;
mod full;
mod golden;
mod hints;
mod killed;
mod processes;
mod support;
mod writes;
