//! Redis and Valkey as a store of [`idem-rs`](https://docs.rs/idem-rs).

mod builder;
mod error;
mod link;
mod list;
mod look;
mod news;
mod script;
mod store;
mod text;

pub use builder::RedisStoreBuilder;
pub use error::{Error, Unreadable};
pub use link::Connection;
pub use look::Warning;
pub use store::RedisStore;
