//! The count of calls that `drain` waits for.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{later, Instant};
use crate::retry;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How many calls are under way, and whether new ones are accepted. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<Tally>);

#[derive(Debug, Default)]
struct Tally {
    draining: AtomicBool,
    count: AtomicUsize,
    /// Notified whenever the count comes down to zero.
    none: Notify,
}

/// A call that is under way, from its claim to the end of its record, with its caller or without.
#[derive(Debug)]
pub(crate) struct UnderWay(Calls);

impl Calls {
    /// Counts a call; `None` if no new ones are accepted.
    pub(crate) fn enter(&self) -> Option<UnderWay> {
        let call = self.enter_unguarded();
        // Read after counting: either `drain` counts this call, or this call sees that the `Idem` drains.
        (!self.are_draining()).then_some(call)
    }

    /// How many calls are under way.
    pub(crate) fn count(&self) -> usize {
        self.0.count.load(Ordering::SeqCst)
    }

    /// Counts a call that needs no claim. It is accepted at any time.
    pub(crate) fn enter_unguarded(&self) -> UnderWay {
        self.0.count.fetch_add(1, Ordering::SeqCst);
        UnderWay(self.clone())
    }

    /// Whether no new calls are accepted.
    pub(crate) fn are_draining(&self) -> bool {
        self.0.draining.load(Ordering::SeqCst)
    }

    /// Accepts no new calls and waits for those under way. Returns how many are left.
    pub(crate) async fn drain(&self, timeout: Duration) -> usize {
        self.0.draining.store(true, Ordering::SeqCst);
        let until = later(Instant::now(), timeout);
        loop {
            let mut none = pin!(self.0.none.notified());
            none.as_mut().enable();
            if self.count() == 0 {
                return 0;
            }
            if retry::until(none, || until).await.is_none() {
                // Counted again: only the last call's end notifies.
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
