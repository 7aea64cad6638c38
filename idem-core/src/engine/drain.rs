//! Coming to an end: no new claims, and a wait for what is under way.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::wait;
use crate::clock::{later, Instant};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How many calls are under way, and whether new ones are accepted. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls(Arc<Tally>);

#[derive(Debug, Default)]
struct Tally {
    draining: AtomicBool,
    count: AtomicUsize,
    /// Told whenever the count comes down to zero.
    none: Notify,
}

/// A call that is under way: from its claim to the end of its record, with its caller or without.
#[derive(Debug)]
pub(super) struct UnderWay(Calls);

impl Calls {
    /// Counts a call; `None` when no new ones are accepted.
    pub(super) fn enter(&self) -> Option<UnderWay> {
        let call = self.enter_unguarded();
        // Looked at after counting: either whoever drains sees this call, or this call sees that.
        (!self.are_draining()).then_some(call)
    }

    /// How many calls are under way.
    pub(super) fn count(&self) -> usize {
        self.0.count.load(Ordering::SeqCst)
    }

    /// Counts a call that needs no claim, and is accepted at any time.
    pub(super) fn enter_unguarded(&self) -> UnderWay {
        self.0.count.fetch_add(1, Ordering::SeqCst);
        UnderWay(self.clone())
    }

    /// Whether no new ones are accepted.
    pub(super) fn are_draining(&self) -> bool {
        self.0.draining.load(Ordering::SeqCst)
    }

    /// Accepts no new calls and waits for those under way; says how many there still are.
    pub(super) async fn drain(&self, timeout: Duration) -> usize {
        self.0.draining.store(true, Ordering::SeqCst);
        let until = later(Instant::now(), timeout);
        loop {
            let mut none = pin!(self.0.none.notified());
            none.as_mut().enable();
            if self.count() == 0 {
                return 0;
            }
            if wait::until(none, || until).await.is_none() {
                // Some may have ended meanwhile: only the last one is told of.
                return self.count();
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0 .0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0 .0.none.notify_waiters();
        }
    }
}
