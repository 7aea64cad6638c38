//! What simulated worlds are made of.
//!
//! A world is one thread with a paused clock, and one number decides all that happens in it: [`tasks`] polls what is ready in
//! an order of its own, and stops, drops and forgets whole nodes; [`wire`] is the network with the store behind it.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)] // It is test code.

pub mod dice;
pub mod tasks;
pub mod wire;
