//! shuttle-tokio's channels.

pub use shuttle_tokio::sync::{oneshot, watch, Notify};
