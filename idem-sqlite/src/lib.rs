//! A store for `idem` in a SQLite file: durable, and shared by all processes of one machine.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = idem_sqlite::SqliteStore::open("/var/lib/payments/idem.db").await?;
//! let idem = idem_core::Idem::new(store);
//! # Ok(()) }
//! ```

mod builder;
mod clock;
mod connection;
mod error;
mod reader;
mod rows;
mod schema;
mod store;
mod sweep;
mod verb;
mod watch;
mod writer;

pub use builder::SqliteStoreBuilder;
pub use error::SqliteError;
pub use store::SqliteStore;
