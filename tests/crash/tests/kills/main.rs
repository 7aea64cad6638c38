//! Processes that are killed, or stopped past their lease, at every point between claim, effect, record and answer; and the
//! audit of what was done against what was answered.
//!
//! - Every named point on every store under every policy: `cargo test -p idem-crash-tests --test kills`, which prints a line for each.
//! - Points and moments by chance, `IDEM_KILLS=500` of them, `IDEM_SEED=…`: the same command with `--test kills chance`.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod audit;
mod bench;
mod calls;
mod chance;
mod child;
mod clerk;
mod figures;
mod park;
mod parked;
mod plan;
mod points;
mod scene;
mod victim;
