//! The places in the program that define operations.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::Error;

/// One annotated function. No two may have the same name: their records would be each other's.
#[derive(Debug)]
pub struct Site {
    name: &'static str,
    file: &'static str,
    line: u32,
    /// The site that had the name before, once this one has been called.
    taken_by: OnceLock<Option<&'static Site>>,
}

static SITES: Mutex<BTreeMap<&'static str, &'static Site>> = Mutex::new(BTreeMap::new());

impl Site {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, file: &'static str, line: u32) -> Self {
        Self { name, file, line, taken_by: OnceLock::new() }
    }

    /// The operation's name, which is this site's alone.
    pub(crate) fn name(&'static self) -> Result<&'static str, Error> {
        match self.taken_by.get_or_init(|| self.register()) {
            None => Ok(self.name),
            Some(other) => Err(Error::config(
                self.name,
                format!("two operations have this name, at {other} and at {self}: give one of them another `name`"),
            )),
        }
    }

    fn register(&'static self) -> Option<&'static Self> {
        let mut sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *sites.entry(self.name).or_insert(self);
        (!std::ptr::eq(first, self)).then_some(first)
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
