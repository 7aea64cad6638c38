//! Records that somebody or something changed behind the store's back: the answer is the true result or an error, never another
//! key's or a run of what is done; the record is left as it is, its neighbour replays, and an operator mends what can be mended.
//!
//! What no store can notice, and is counted here, is written in each file: a changed number that means nothing to a replay.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)] // a test

mod postgres;
mod redis;
mod sqlite;
mod support;
