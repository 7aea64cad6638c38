//! tokio as the core knows it: shuttle's channels and tasks.
//!
//! Time is not shuttle-tokio's, in which every sleep is over as soon as it is looked at: then nobody would ever need to be
//! woken, and a wake-up that is missing would be missed by nobody. Here it stands still until a test lets it go on.

pub mod sync;
pub mod time;

pub use shuttle_tokio::{runtime, spawn, task};
