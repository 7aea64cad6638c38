//! What outlives a call: tasks on an executor, and the count of calls that `drain` waits for.

use std::fmt;
use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::Engine;
use crate::clock::{later, Instant};
use crate::retry;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Work that outlives the call that made it.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A user's way to spawn, for executors other than tokio.
#[derive(Clone)]
pub(crate) struct Spawner(Arc<dyn Fn(Task) + Send + Sync>);

impl Spawner {
    pub(crate) fn new(spawn: impl Fn(Task) + Send + Sync + 'static) -> Self {
        Self(Arc::new(spawn))
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawner")
    }
}

impl Engine {
    /// Spawns `task` on the spawner that the `Idem` was given, else on the tokio runtime around the call. Without either the
    /// task is dropped.
    pub(super) fn spawn(&self, task: Task) {
        if let Some(Spawner(spawn)) = &self.spawner {
            spawn(task);
        } else if let Ok(tokio) = tokio::runtime::Handle::try_current() {
            drop(tokio.spawn(task));
        }
    }

    /// Whether there is anything to spawn on.
    pub(super) fn can_spawn(&self) -> bool {
        self.spawner.is_some() || tokio::runtime::Handle::try_current().is_ok()
    }
}

/// How many calls are under way, and whether new ones are accepted. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls(Arc<Tally>);

#[derive(Debug, Default)]
struct Tally {
    draining: AtomicBool,
    count: AtomicUsize,
    /// Notified whenever the count comes down to zero.
    none: Notify,
}

/// A call that is under way, from its claim to the end of its record, with its caller or without.
#[derive(Debug)]
pub(super) struct UnderWay(Calls);

impl Calls {
    /// Counts a call; `None` if no new ones are accepted.
    pub(super) fn enter(&self) -> Option<UnderWay> {
        let call = self.enter_unguarded();
        // Read after counting: either `drain` counts this call, or this call sees that the `Idem` drains.
        (!self.are_draining()).then_some(call)
    }

    /// How many calls are under way.
    pub(super) fn count(&self) -> usize {
        self.0.count.load(Ordering::SeqCst)
    }

    /// Counts a call that needs no claim. It is accepted at any time.
    pub(super) fn enter_unguarded(&self) -> UnderWay {
        self.0.count.fetch_add(1, Ordering::SeqCst);
        UnderWay(self.clone())
    }

    /// Whether no new calls are accepted.
    pub(super) fn are_draining(&self) -> bool {
        self.0.draining.load(Ordering::SeqCst)
    }

    /// Accepts no new calls and waits for those under way. Returns how many are left.
    pub(super) async fn drain(&self, timeout: Duration) -> usize {
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
