//! Many orders in which the threads of one process can meet at a key's slot. `IDEM_SCHEDULES=10000000` tries more of them, and
//! `IDEM_SEED` others.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod detached;
mod drops;
mod ends;
mod meets;
mod overtaken;
mod support;
mod unguarded;
