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
//! The names of records begin with `idem:`; endings are published, so that who waits elsewhere hears of them; a server that
//! evicts is refused, one without append-only file is warned of ([`RedisStore::warnings`], and `tracing`); an attempt to
//! connect takes two seconds at most. [`RedisStore::builder`] changes them.
//!
//! # What it promises
//! - Each verb is atomic and takes one round trip: a replay or a conflict 1, a fresh run or a takeover 2. A server that does
//!   not know a script yet costs one more, once. A replay writes nothing.
//! - Leases and TTLs are counted on the server's clock. A script never sees a client's.
//! - What is under a key and no record of this version's is answered with [`Error::Unreadable`] and left as it is.
//! - What the server has acknowledged is as durable as it is: with `appendfsync everysec`, a crash of its host costs up to a
//!   second; **a failover costs what the replica had not got yet**. Keys whose records are lost run again.
//!
//! Failures, sizes, settings that break it, measured losses: `docs/redis.md` in the repository.
//!
//! # Stored format
//! One string for each key, under the prefix and the [`Key`](idem_core::Key)'s bytes. `redis-cli GET` shows a line
//!
//! ```text
//! idem1 completed owner=<32 hex> fence=<n> attempt=<n> flags=<fmbu> lease=<us> ttl=<us> expires=<us> since=<us> until=<us> fp=<64 hex or -> steps=<count>:<bytes>
//! ```
//!
//! then the finished steps, then the result. The state is `running`, `completed`, `unreplayable`, `failed` or `unknown`; flags
//! are `f` and `b` for what this owner brought (fingerprint, at-most-once), `m` at-most-once, `u` an unknown outcome before;
//! times are microseconds since 1970 on the server's clock, `since` and `until` (when the lease is over) 0 unless it is
//! running. The key's own expiry is the end of the retention, a second late.
//!
//! # Features
//! `tracing` (default): warnings at the start. `cluster`, `sentinel`: those kinds of connections. `tls`: `rediss://` by rustls
//! with ring, and the host's certificates or [one of yours](RedisStore::builder). A tokio runtime is needed.

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
