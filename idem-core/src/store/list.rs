//! Listing records, page by page.

use crate::key::Key;
use crate::record::{Record, RecordError};

/// The default of [`List::limit`].
const LIMIT: usize = 100;

/// Which records to list: the argument of [`Store::list`](crate::Store::list).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct List {
    /// The bytes that the records' keys begin with: an operation's [`Key::prefix`]. A store need not support other prefixes.
    pub prefix: Vec<u8>,
    /// [`Page::next`] of the page before. `None` for the first page.
    pub after: Option<Cursor>,
    /// About how many records to return; never zero.
    pub limit: usize,
}

/// A position in a store's list of records. Only the store that made it can use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(Vec<u8>);

/// One page of a store's records.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The records. A store may return a record twice.
    pub records: Vec<Listed>,
    /// The position of the next page. `None` on the last page.
    pub next: Option<Cursor>,
}

/// A record and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// The record's key, for [`OperationBuilder::at`](crate::OperationBuilder::at).
    pub key: Key,
    /// The record, or why this build cannot read it.
    pub record: Result<Record, RecordError>,
}

impl List {
    /// Asks for the first page, of about 100 records, with the keys that begin with `prefix`.
    #[must_use]
    pub fn new(prefix: impl Into<Vec<u8>>) -> Self {
        Self { prefix: prefix.into(), after: None, limit: LIMIT }
    }

    /// Continues after another page: pass its [`Page::next`]. Default: the first page.
    #[must_use]
    pub fn after(mut self, after: Option<Cursor>) -> Self {
        self.after = after;
        self
    }

    /// Sets about how many records to return; zero counts as one. Default: 100.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }
}

impl Cursor {
    /// Makes a position of the bytes that a store chose.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes that the store chose.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Page {
    /// Makes a page of its parts.
    #[must_use]
    pub const fn new(records: Vec<Listed>, next: Option<Cursor>) -> Self {
        Self { records, next }
    }
}

impl Listed {
    /// Makes an entry of a page.
    #[must_use]
    pub const fn new(key: Key, record: Result<Record, RecordError>) -> Self {
        Self { key, record }
    }
}
