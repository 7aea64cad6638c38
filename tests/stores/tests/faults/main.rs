//! Real servers under faults: eight clients in processes of their own, a thousand keys, short leases; and stores that are
//! broken on purpose, which must be found out.
//!
//! What clients were told goes through `idem_testing::History`, what bodies did through `audit`. `IDEM_FAULT_SECONDS=600`
//! goes on for so long on each store, with more than one seed; `IDEM_SEED=n` begins elsewhere.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod audit;
mod bodies;
mod broken;
mod calls;
mod child;
mod clients;
mod dice;
mod functions;
mod lease;
mod options;
mod outcomes;
mod place;
mod raw;
mod refusals;
mod reigns;
mod round;
mod runs;
mod story;
mod trouble;
mod values;
mod verbs;
