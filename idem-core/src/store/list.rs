//! Looking through records, page by page.

use crate::key::Key;
use crate::record::{Record, RecordError};

/// How many records are on a page, if it is not said.
const LIMIT: usize = 100;

/// Which records to list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct List {
    /// What the keys of the records begin with: all of an operation's ([`Key::prefix`]). A store need not know other prefixes.
    pub prefix: Vec<u8>,
    /// Where the page before this one ended.
    pub after: Option<Cursor>,
    /// About how many records to answer with; never zero.
    pub limit: usize,
}

/// A place in the order that a store lists its records in. It is of use to that store only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(Vec<u8>);

/// Some of a store's records.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The records. A store may answer with one twice.
    pub records: Vec<Listed>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<Cursor>,
}

/// A record and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// Its key, for [`OperationBuilder::at`](crate::OperationBuilder::at).
    pub key: Key,
    /// The record, or why this build cannot read it.
    pub record: Result<Record, RecordError>,
}

impl List {
    /// The first hundred or so of the records whose keys begin with `prefix`.
    #[must_use]
    pub fn new(prefix: impl Into<Vec<u8>>) -> Self {
        Self { prefix: prefix.into(), after: None, limit: LIMIT }
    }

    /// Goes on where another page ended.
    #[must_use]
    pub fn after(mut self, after: Option<Cursor>) -> Self {
        self.after = after;
        self
    }

    /// About how many records to answer with; at least one.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }
}

impl Cursor {
    /// A place that a store knows by these bytes.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes that the store knows it by.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Page {
    /// A page of records.
    #[must_use]
    pub const fn new(records: Vec<Listed>, next: Option<Cursor>) -> Self {
        Self { records, next }
    }
}

impl Listed {
    /// A record on a page.
    #[must_use]
    pub const fn new(key: Key, record: Result<Record, RecordError>) -> Self {
        Self { key, record }
    }
}
