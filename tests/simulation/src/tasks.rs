//! The tasks of all nodes, polled one at a time in an order that a seed decides.
//!
//! A runtime of our own, for tokio's cannot stop a node, nor make it vanish. The clock is tokio's, paused.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::dice::Dice;

/// What a task does.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// All tasks. A clone is the same.
#[derive(Clone, Default)]
pub struct Tasks(Arc<Mutex<All>>, Arc<Ready>);

#[derive(Default)]
struct All {
    tasks: BTreeMap<u64, Task>,
    next: u64,
    stopped: BTreeSet<u32>,
    gone: BTreeSet<u32>,
}

struct Task {
    node: u32,
    call: u32,
    dropped: bool,
    /// Away while it is polled.
    work: Option<Work>,
}

/// What was woken; a set, so the order in which it was does not count.
#[derive(Default)]
struct Ready(Mutex<(BTreeSet<u64>, Option<Waker>)>);

struct Wakes(u64, Arc<Ready>);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.1.add(self.0);
    }
}

impl Ready {
    fn add(&self, task: u64) {
        let mut ready = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ready.0.insert(task);
        let root = ready.1.take();
        drop(ready);
        if let Some(root) = root {
            root.wake();
        }
    }
}

thread_local! {
    static CALL: Cell<u32> = const { Cell::new(u32::MAX) };
}

/// The call whose task is being polled, or dropped; its background tasks are its own.
#[must_use]
pub fn current_call() -> u32 {
    CALL.get()
}

/// Runs a part of a call. Whatever panics in it, panics for itself.
fn as_part_of<T>(call: u32, part: impl FnOnce() -> T) -> Option<T> {
    let before = CALL.replace(call);
    let done = catch_unwind(AssertUnwindSafe(part)).ok();
    CALL.set(before);
    done
}

impl Tasks {
    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a task; on a node that is gone it is dropped.
    pub fn spawn(&self, node: u32, call: u32, work: Work) -> u64 {
        let mut all = self.all();
        let id = all.next;
        all.next += 1;
        if all.gone.contains(&node) {
            drop(all);
            drop(work);
            return id;
        }
        all.tasks.insert(id, Task { node, call, dropped: false, work: Some(work) });
        drop(all);
        self.1.add(id);
        id
    }

    /// Drops a task, once its node does anything at all.
    pub fn cancel(&self, id: u64) {
        if let Some(task) = self.all().tasks.get_mut(&id) {
            task.dropped = true;
            self.1.add(id);
        }
    }

    /// Polls nothing of a node until [`resume`](Self::resume).
    pub fn stop(&self, node: u32) {
        self.all().stopped.insert(node);
    }

    /// Goes on with a node.
    pub fn resume(&self, node: u32) {
        self.all().stopped.remove(&node);
    }

    /// A node is no more.
    pub fn kill(&self, node: u32) {
        let mut all = self.all();
        all.gone.insert(node);
        let ids: Vec<_> = all.tasks.iter().filter(|(_, task)| task.node == node).map(|(id, _)| *id).collect();
        let tasks: Vec<_> = ids.iter().filter_map(|id| all.tasks.remove(id)).collect();
        drop(all);
        for task in tasks {
            as_part_of(task.call, || drop(task.work));
        }
    }

    /// How many tasks a node has.
    #[must_use]
    pub fn count(&self, node: u32) -> usize {
        self.all().tasks.values().filter(|task| task.node == node).count()
    }

    /// Whether a node is gone.
    #[must_use]
    pub fn is_gone(&self, node: u32) -> bool {
        self.all().gone.contains(&node)
    }

    /// Polls one task that is ready; says whether there was one.
    pub fn step(&self, dice: &mut Dice) -> bool {
        let Some((id, call, dropped, work)) = self.take(dice) else {
            return false;
        };
        let Some(mut work) = work else {
            return true;
        };
        let waker = Waker::from(Arc::new(Wakes(id, Arc::clone(&self.1))));
        let polled =
            if dropped { None } else { as_part_of(call, || work.as_mut().poll(&mut Context::from_waker(&waker))) };
        if let Some(Poll::Pending) = polled {
            if let Some(task) = self.all().tasks.get_mut(&id) {
                task.work = Some(work);
                return true;
            }
        }
        as_part_of(call, || drop(work));
        self.all().tasks.remove(&id);
        true
    }

    #[allow(clippy::type_complexity)]
    fn take(&self, dice: &mut Dice) -> Option<(u64, u32, bool, Option<Work>)> {
        let mut all = self.all();
        let mut ready = self.1 .0.lock().unwrap_or_else(PoisonError::into_inner);
        ready.0.retain(|id| all.tasks.contains_key(id));
        let may = |id: &&u64| all.tasks.get(id).is_some_and(|task| !all.stopped.contains(&task.node));
        let count = ready.0.iter().filter(may).count() as u64;
        let which = usize::try_from(dice.below(count)).ok()?;
        let id = ready.0.iter().filter(may).nth(which).copied()?;
        ready.0.remove(&id);
        let task = all.tasks.get_mut(&id)?;
        Some((id, task.call, task.dropped, task.work.take()))
    }

    /// Whom to wake when a task is.
    pub fn watch(&self, root: &Waker) {
        self.1 .0.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(root.clone());
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tasks({})", self.all().tasks.len())
    }
}
