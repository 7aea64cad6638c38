//! Redis and Valkey as a store of [`idem-rs`](https://docs.rs/idem-rs): fast, and shared by every process that uses the same
//! server. One script for each verb, on one key; a single server, Sentinel or Cluster.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use idem_redis::RedisStore;
//!
//! let store = RedisStore::connect("redis://localhost").await?;
//! // idem::install(Idem::new(store))?;
//! # Ok(())
//! # }
//! ```
//!
//! # Defaults
//! The names of records begin with `idem:`. The store publishes outcomes, which wakes waiting calls of other processes. It refuses
//! a server that evicts, and warns of one without append-only file ([`RedisStore::warnings`], and `tracing`). An attempt to
//! connect takes at most two seconds. [`RedisStore::builder`] changes the defaults.
//!
//! # Guarantees
//! - Each verb is atomic and takes one round trip: a replay or a conflict takes 1, a new run or a takeover 2. A server that does
//!   not know a script yet costs one more, once. A replay writes nothing.
//! - The server's clock times leases and TTLs. No script uses a client's clock.
//! - If a key holds something that this version cannot read, the store answers [`Error::Unreadable`] and does not change it.
//! - An acknowledged write is as durable as the server: with `appendfsync everysec`, a crash of its host loses up to one second;
//!   **a failover loses what the replica had not received yet**. Keys whose records are lost run again.
//!
//! `docs/redis.md` in the repository lists failures, sizes, settings that break the guarantees, and measured losses.
//!
//! # Stored format
//! One string for each key, under the prefix and the [`Key`](idem_core::Key)'s bytes. `redis-cli GET` shows a line
//!
//! ```text
//! idem1 completed owner=<32 hex> fence=<n> attempt=<n> flags=<fmbu> lease=<us> ttl=<us> expires=<us> since=<us> until=<us> fp=<64 hex or -> steps=<count>:<bytes>
//! ```
//!
//! then the finished steps, then the result. The state is `running`, `completed`, `unreplayable`, `failed` or `unknown`; flags
//! are `f` and `b` if this owner was the first to set fingerprint or at-most-once, `m` at-most-once, `u` an unknown outcome
//! before. Times are microseconds since 1970 on the server's clock; `since` and `until` (the end of the lease) are 0 unless the
//! record is running. The key's own expiry is one second after the end of the retention.
//!
//! # Features
//! `tracing` (default): warnings at the start. `cluster`, `sentinel`: those kinds of connections. `tls`: `rediss://` by rustls
//! with ring, and the host's certificates or [your own](RedisStore::builder). The store needs a tokio runtime.

mod builder;
mod error;
mod link;
mod list;
mod look;
mod script;
mod store;
mod subscriptions;
mod text;

pub use builder::RedisStoreBuilder;
pub use error::{Error, Unreadable};
pub use link::Connection;
pub use look::Warning;
pub use store::RedisStore;
