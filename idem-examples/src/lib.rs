//! What the examples share.

pub mod store;
