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
//! It needs a tokio runtime; outside of one its verbs are refused.
//!
//! Each verb is one statement: a fresh call costs two, a replay one that writes nothing. Leases and TTLs are timed by the
//! server. `docs/postgres.md` says what the store promises, how much room it takes, and which settings break it.

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
