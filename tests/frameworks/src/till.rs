//! Where the money goes, and where the tests look: it counts, holds bodies up until told, and belongs to no executor.

use std::future::Future;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// What a till has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bodies that were begun.
    pub bodies: u64,
    /// Handlers that wait for a charge's answer right now. One whose client hung up does not.
    pub handlers: u64,
}

/// A till.
#[derive(Debug, Default)]
pub struct Till {
    seen: Mutex<Seen>,
    news: Condvar,
    held: watch::Sender<bool>,
}

/// How long to wait for what should come at once; a test then fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(30);

impl Till {
    /// Counts a body, and keeps it waiting while the till is held. Returns the charge's number, from 1.
    pub async fn ring(&self) -> u64 {
        // Before it is counted: who sees the count may then release it at once.
        let mut held = self.held.subscribe();
        let number = self.note(|seen| {
            seen.bodies += 1;
            seen.bodies
        });
        // It cannot fail: the sender is ours.
        let _ = held.wait_for(|held| !held).await;
        number
    }

    /// Counts the handler that awaits `call` for as long as it does.
    pub async fn attend<F: Future>(&self, call: F) -> F::Output {
        self.note(|seen| seen.handlers += 1);
        let _attending = Attending(self);
        call.await
    }

    /// From now on bodies wait in the till.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Those that wait go on, and others do not wait.
    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// What it has seen so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        *self.lock()
    }

    /// Blocks until it has seen that; returns what it has seen instead when that does not come.
    pub fn until(&self, condition: impl Fn(&Seen) -> bool) -> Seen {
        let waited = self.news.wait_timeout_while(self.lock(), PATIENCE, |seen| !condition(seen));
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn note<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        let answer = change(&mut self.lock());
        self.news.notify_all();
        answer
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handler that waits.
struct Attending<'a>(&'a Till);

impl Drop for Attending<'_> {
    fn drop(&mut self) {
        self.0.note(|seen| seen.handlers -= 1);
    }
}
