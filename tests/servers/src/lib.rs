//! Real servers for tests: each on a free loopback port, with its files in a temporary directory, and stopped by its own
//! process id. Linux only, for `/proc` tells who belongs to whom.
//!
//! - [`Redis`], [`RedisCluster`], [`Postgres`] and [`PgBouncer`] start, get killed, paused and started again.
//! - [`Proxy`] stands before one of them and loses what goes through.
//! - [`Clock`] is another time of day for a process that the test starts, such as a client.
//!
//! No server and no directory outlives the test process, even one that was killed: see `watchdog.rs`. Everything blocks and
//! panics; that is what a test wants. A start that fails shows the end of the server's log.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)] // test support

mod account;
mod clock;
mod cluster;
mod pgbouncer;
mod ports;
mod postgres;
mod process;
mod proxy;
mod redis;
mod require;
mod server;
mod skew;
mod tls;
mod watchdog;

pub use cluster::RedisCluster;
pub use pgbouncer::{PgBouncer, PgBouncerBuilder};
pub use postgres::{Database, Postgres, PostgresBuilder};
pub use process::{die_with_parent, is_alive, pause, resume};
pub use proxy::{Mode, Proxy};
pub use redis::{Redis, RedisBuilder};
pub use require::require;
pub use skew::Clock;
