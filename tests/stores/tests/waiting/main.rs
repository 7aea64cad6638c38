//! Waiting for a call of another process: who asks the store meanwhile, and how soon the answer is there.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod figure;
mod missed;
mod one_poller;
mod outage;
mod pair;
