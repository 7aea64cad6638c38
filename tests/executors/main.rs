//! Any executor will do: tokio's two, smol with a spawner, a bare `block_on` without one.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod bare;
mod growth;
mod smol_s;
mod support;
mod tokios;
