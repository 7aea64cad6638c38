//! Every row of the contract's tables, as far as they are built, named after the row.
//!
//! Each row runs twice: against a store that answers replays from memory (`peek`), and against one that has to be asked.
//! Time is tokio's paused clock; the store's own clock can be stepped apart from it.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
#![allow(unused_qualifications)] // size_of is in newer preludes only

mod answers;
mod at_most_once;
mod cas;
mod changes;
mod copies;
mod current;
mod detached;
mod drain;
mod ends;
mod fail_open;
mod flights;
#[cfg(not(stores))]
mod golden;
mod limits;
mod lost;
mod macros;
mod operators;
mod panics;
mod policies;
mod reconcile;
mod results;
mod support;
mod tiers;
mod watched;
