//! What hostile input must not do: one function for each target, given bytes, asserts properties of what they are made into.
//!
//! `cargo fuzz` calls them with inputs that libFuzzer finds by coverage; `tests/replay.rs` calls them with every input in
//! `regressions/`, and with inputs made from seeds.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

pub mod attribute;
pub mod calls;
pub mod codecs;
pub mod fingerprints;
pub mod keys;
pub mod records;

mod damage;
mod golden;
mod slots;
mod tree;

/// Asserts what must hold of what the bytes are made into.
pub type Target = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, Target); 6] = [
    ("keys", keys::check),
    ("fingerprints", fingerprints::check),
    ("attribute", attribute::check),
    ("codecs", codecs::check),
    ("records", records::check),
    ("calls", calls::check),
];

// What no package shows: the attribute, which is a proc macro's; and how two stores read what they keep. These modules name
// one another from the crate's root, so they are to be found there.
#[path = "../../idem-macros/src"]
mod macros {
    pub(crate) mod args;
    pub(crate) mod check;
    pub(crate) mod expand;
    pub(crate) mod fallback;
    pub(crate) mod form;
    pub(crate) mod item;
}

#[allow(dead_code, unused_imports, unused_macros)]
#[path = "../../idem-postgres/src"]
mod postgres {
    pub(crate) mod id;
    pub(crate) mod row;
}

#[allow(dead_code)]
#[path = "../../idem-redis/src"]
mod redis {
    pub(crate) mod text;
}

use macros::{args, check, expand, fallback, form, item};
use postgres::{id, row};
use redis::text;

/// What those modules say when they cannot read something; their packages say more.
mod error {
    #[derive(Debug, PartialEq, Eq)]
    pub(crate) enum Unreadable {
        Foreign,
        Newer,
        Damaged,
    }

    #[derive(Debug, thiserror::Error)]
    pub(crate) enum PgError {
        #[error("{0}")]
        Record(idem_core::RecordError),
    }
}
