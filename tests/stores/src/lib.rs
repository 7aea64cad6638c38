//! Real stores for tests.
//!
//! - For the behaviour tests, [`Place::store`]: each row has one to itself, on a clock that the row turns.
//! - For tests with many processes, [`Place::site`]: on a server by its own clock, with an [`Address`] for each [`Process`].
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)] // test support

mod noted;
mod postgres;
mod process;
mod redis;
mod rows;
mod site;
mod sqlite;
mod timed;
mod turn;

pub use noted::{Noted, Notes};
pub use process::{hear, say, Part, Process};
pub use site::{Address, Site};
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
