//! A server has one clock, so one row at a time.

use std::fmt;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::timed::is_idle;

/// Whose turn it is.
#[derive(Debug)]
pub(crate) struct Turns {
    taken: Mutex<bool>,
    free: Condvar,
}

/// One row's turn, until it is dropped.
pub struct Turn {
    turns: &'static Turns,
    after: Option<Box<dyn FnOnce() + Send>>,
}

impl Turns {
    pub(crate) const fn new() -> Self {
        Self { taken: Mutex::new(false), free: Condvar::new() }
    }

    /// Waits for the row before to end.
    pub(crate) fn take(&'static self) -> Turn {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = self.free.wait_while(taken, |taken| *taken).unwrap_or_else(PoisonError::into_inner);
        *taken = true;
        Turn { turns: self, after: None }
    }
}

impl Turn {
    /// What to do when it is over.
    pub(crate) fn then(self, after: impl FnOnce() + Send + 'static) -> Self {
        let mut this = self;
        this.after = Some(Box::new(after));
        this
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turn")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // What the row has asked last is no concern of the next one.
        while !is_idle() {
            std::thread::sleep(Duration::from_micros(50));
        }
        if let Some(after) = self.after.take() {
            after();
        }
        *self.turns.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.turns.free.notify_one();
    }
}
