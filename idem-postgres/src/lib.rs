//! PostgreSQL as a store of `idem`: durable, and shared by all processes that use the database.
//!
//! ```no_run
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! use idem_core::Idem;
//! use idem_postgres::PgStore;
//!
//! let store = PgStore::connect("postgres://app@localhost/app").await?;
//! idem_core::install(Idem::new(store))?;
//! # Ok(())
//! # }
//! ```
//!
//! The store needs a tokio runtime; outside of one it refuses its verbs.
//!
//! Each verb is one statement: a new call costs two statements, a replay one that writes nothing. The server's clock times
//! leases and TTLs. `docs/postgres.md` says what the store guarantees, how much space it needs, and which settings break it.

mod backend;
mod builder;
mod connect;
mod error;
mod id;
mod listen;
mod row;
mod schema;
mod sql;
mod store;

pub use builder::PgStoreBuilder;
pub use error::PgError;
pub use store::PgStore;
