//! Real stores for the behaviour tests: each row has one to itself, on a clock that the row turns.
#![allow(clippy::expect_used, clippy::unwrap_used)] // test support

mod postgres;
mod redis;
mod sqlite;
mod timed;
mod turn;

pub use timed::{asked, is_idle, Timed};
pub use turn::Turn;

use idem_testing::Clock;

/// Where a row's records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A PostgreSQL server.
    Postgres,
    /// A Redis server.
    Redis,
    /// A SQLite file.
    Sqlite,
}

impl Place {
    /// An empty store on `clock`, until the turn is over.
    pub fn store(self, clock: Clock) -> (Timed, Turn) {
        match self {
            Self::Postgres => postgres::store(clock),
            Self::Redis => redis::store(clock),
            Self::Sqlite => sqlite::store(clock),
        }
    }
}
