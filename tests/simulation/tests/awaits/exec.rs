//! Who polls: one task after the other, in the order they were woken, and whatever happens between two polls.

use std::collections::{BTreeMap, VecDeque};
use std::future::{poll_fn, Future};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use idem::{Idem, Tiered};
use tokio::time::{sleep_until, Instant};

use crate::calls::{calling, Desk};
use crate::history::{Answer, Happened};
use crate::path::{Kind, LEASE, TIMEOUT, TTL};
use crate::stage::{Stage, Task, STORE};
use crate::store::Scripted;
use crate::world::{Second, What};

pub(crate) struct Exec {
    pub(crate) stage: Arc<Stage>,
    tasks: BTreeMap<usize, Entry>,
    next: usize,
    ready: Arc<Ready>,
    nodes: BTreeMap<usize, Node>,
    calls: BTreeMap<usize, Call>,
    /// How often a task of any process was polled.
    pub(crate) steps: usize,
    /// What a crash left behind. It is dropped when it can do nothing any more.
    graves: Vec<Box<dyn std::any::Any>>,
    pub(crate) second_came: bool,
    pub(crate) second_left: bool,
}

struct Entry {
    task: Task,
    node: usize,
    call: usize,
    /// Whether this is the call itself, and not what it left in the background.
    caller: bool,
    waker: Waker,
    flag: Arc<Flag>,
}

#[derive(Default)]
struct Node {
    idem: Option<Idem>,
    polls: usize,
    stopped: bool,
    crashed: bool,
    held: Vec<usize>,
}

#[derive(Default)]
struct Call {
    polls: usize,
    task: Option<usize>,
}

#[derive(Default)]
struct Ready {
    queue: Mutex<VecDeque<usize>>,
    outer: Mutex<Option<Waker>>,
}

struct Flag {
    id: usize,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::SeqCst) {
            self.ready.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.id);
            if let Some(outer) = &*self.ready.outer.lock().unwrap_or_else(PoisonError::into_inner) {
                outer.wake_by_ref();
            }
        }
    }
}

impl Exec {
    pub(crate) fn new(stage: Arc<Stage>) -> Self {
        Self {
            stage,
            tasks: BTreeMap::new(),
            next: 0,
            ready: Arc::default(),
            nodes: BTreeMap::new(),
            calls: BTreeMap::new(),
            steps: 0,
            graves: Vec::new(),
            second_came: false,
            second_left: false,
        }
    }

    /// A process' own `Idem` over the store.
    pub(crate) fn idem(&mut self, node: usize) -> Option<Idem> {
        let entry = self.nodes.entry(node).or_default();
        if entry.idem.is_none() {
            let store = Scripted { stage: Arc::clone(&self.stage), node };
            let builder = match self.stage.world.path.store {
                Kind::Tiered => Idem::builder(Tiered::new(store)),
                _ => Idem::builder(store),
            };
            let stage = Arc::clone(&self.stage);
            let builder = builder.ttl(TTL).lease(LEASE).store_timeout(TIMEOUT).spawner(move |task| {
                let mut state = stage.state();
                if !state.muted {
                    let call = state.here.1;
                    state.spawned.push((node, call, task));
                }
            });
            let builder = if self.stage.world.path.fail_open { builder.fail_open() } else { builder };
            entry.idem = builder.build().ok();
        }
        entry.idem.clone()
    }

    pub(crate) fn is_crashed(&self, node: usize) -> bool {
        self.nodes.get(&node).is_some_and(|node| node.crashed)
    }

    /// All processes that are there.
    pub(crate) fn living(&self) -> Vec<(usize, Idem)> {
        let living = self.nodes.iter().filter(|(_, node)| !node.crashed);
        living.filter_map(|(id, node)| Some((*id, node.idem.clone()?))).collect()
    }

    /// Begins a call, in a task of its own that is polled next.
    pub(crate) fn call(&mut self, call: usize, node: usize, waits: bool, other: bool) {
        let Some(idem) = self.idem(node) else { return };
        self.stage.note_of(node, call, Happened::Calls { waits, other });
        let stage = Arc::clone(&self.stage);
        let calling = calling(Desk { stage: Arc::clone(&stage), idem, call, waits, other });
        let task = Box::pin(async move {
            let answer = calling.await;
            stage.note(Happened::Over(answer));
        });
        let id = self.add(node, call, true, task, true);
        self.calls.insert(call, Call { polls: 0, task: Some(id) });
        self.leave_unpolled(call);
    }

    fn leave_unpolled(&mut self, call: usize) {
        if call == 0 && self.stage.fires(|what| what == What::Drop(0)).is_some() {
            self.leave(call);
        }
    }

    fn add(&mut self, node: usize, call: usize, caller: bool, task: Task, first: bool) -> usize {
        let id = self.next;
        self.next += 1;
        let flag = Arc::new(Flag { id, queued: AtomicBool::new(true), ready: Arc::clone(&self.ready) });
        let waker = Waker::from(Arc::clone(&flag));
        self.tasks.insert(id, Entry { task, node, call, caller, waker, flag });
        let mut queue = self.ready.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if first {
            queue.push_front(id);
        } else {
            queue.push_back(id);
        }
        id
    }

    /// Whether all calls are over.
    pub(crate) fn all_over(&self) -> bool {
        self.calls.values().all(|call| call.task.is_none())
    }

    /// How many tasks there are of processes that are there.
    pub(crate) fn left(&self) -> usize {
        self.tasks.values().filter(|entry| entry.node != STORE).count()
    }

    /// Lets everything run until `done`, or until it is so late.
    pub(crate) async fn run(&mut self, until: Instant, done: impl Fn(&Self) -> bool) {
        let mut timer = Box::pin(sleep_until(until));
        poll_fn(|cx| {
            *self.ready.outer.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            loop {
                self.take_spawned();
                self.wake();
                if done(self) {
                    return Poll::Ready(());
                }
                let next = self.ready.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                match next {
                    Some(id) => self.step(id),
                    None => return timer.as_mut().poll(cx),
                }
            }
        })
        .await;
    }

    fn take_spawned(&mut self) {
        let spawned = std::mem::take(&mut self.stage.state().spawned);
        for (node, call, task) in spawned {
            if self.is_crashed(node) {
                self.graves.push(Box::new(task));
            } else {
                self.add(node, call, false, task, false);
            }
        }
    }

    fn step(&mut self, id: usize) {
        let Some(entry) = self.tasks.get_mut(&id) else { return };
        let (node, call, caller) = (entry.node, entry.call, entry.caller);
        if let Some(stopped) = self.nodes.get_mut(&node).filter(|node| node.stopped) {
            stopped.held.push(id);
            return;
        }
        entry.flag.queued.store(false, Ordering::SeqCst);
        self.stage.state().here = (node, call);
        let waker = entry.waker.clone();
        let mut cx = Context::from_waker(&waker);
        let polled = catch_unwind(AssertUnwindSafe(|| entry.task.as_mut().poll(&mut cx)));
        if !matches!(polled, Ok(Poll::Pending)) {
            if polled.is_err() && caller {
                self.stage.note(Happened::Over(Answer::Panicked));
            }
            self.end(id);
        }
        self.stage.state().here = (STORE, STORE);
        self.take_spawned();
        if node != STORE {
            self.between(node, call, caller);
        }
    }

    /// Drops a task, where its code may still do something.
    fn end(&mut self, id: usize) {
        let Some(entry) = self.tasks.remove(&id) else { return };
        if let Some(call) = self.calls.get_mut(&entry.call).filter(|call| call.task == Some(id)) {
            call.task = None;
        }
        self.stage.state().here = (entry.node, entry.call);
        let _ = catch_unwind(AssertUnwindSafe(|| drop(entry.task)));
        self.stage.state().here = (STORE, STORE);
    }

    /// A task was polled. What happens now?
    fn between(&mut self, node: usize, call: usize, caller: bool) {
        if !self.stage.state().open {
            return;
        }
        self.steps += 1;
        let of_node = self.nodes.get_mut(&node).map_or(0, |node| {
            node.polls += 1;
            node.polls
        });
        if caller {
            let polls = self.calls.get_mut(&call).map_or(0, |call| {
                call.polls += 1;
                call.polls
            });
            let there = self.calls.get(&call).is_some_and(|call| call.task.is_some());
            if there && call == 0 && self.stage.fires(|what| what == What::Drop(polls)).is_some() {
                self.leave(0);
            }
            let second = self.stage.world.second.and_then(|second| second.drop);
            if there && call == 1 && second == Some(polls) {
                self.second_left = true;
                self.leave(1);
            }
        }
        if node == 0 {
            if self.stage.fires(|what| what == What::Crash(of_node)).is_some() {
                self.crash(0);
            }
            if let Some(What::Stop(_, nap)) =
                self.stage.fires(|what| matches!(what, What::Stop(at, _) if at == of_node))
            {
                self.stop(0, nap.time());
            }
        }
        if let Some(second) = self.stage.world.second.filter(|second| second.at == self.steps && !self.second_came) {
            self.second_came = true;
            self.come(second);
        }
    }

    fn come(&mut self, second: Second) {
        let node = match (second.here, self.is_crashed(0)) {
            (true, false) => 0,
            // The process was started again.
            (true, true) => 3,
            (false, _) => 1,
        };
        self.call(1, node, second.waits, second.other);
    }

    /// A call's future is dropped.
    fn leave(&mut self, call: usize) {
        let Some(id) = self.calls.get(&call).and_then(|call| call.task) else { return };
        if let Some(entry) = self.tasks.get(&id) {
            self.stage.note_of(entry.node, call, Happened::Left);
        }
        self.end(id);
        self.take_spawned();
    }

    fn crash(&mut self, node: usize) {
        self.stage.note_of(node, STORE, Happened::Crashed);
        let ids: Vec<usize> = self.tasks.iter().filter(|(_, task)| task.node == node).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(entry) = self.tasks.remove(&id) {
                self.graves.push(Box::new(entry.task));
            }
            self.calls.values_mut().filter(|call| call.task == Some(id)).for_each(|call| call.task = None);
        }
        if let Some(dead) = self.nodes.get_mut(&node) {
            dead.crashed = true;
            self.graves.push(Box::new(dead.idem.take()));
        }
        self.stage.unattended_of(node);
        self.take_spawned();
    }

    fn stop(&mut self, node: usize, nap: std::time::Duration) {
        self.stage.note_of(node, STORE, Happened::Stopped);
        if let Some(stopped) = self.nodes.get_mut(&node) {
            stopped.stopped = true;
        }
        self.stage.unattended_of(node);
        self.take_spawned();
        // A task of the store's, so that it is polled: it says when.
        self.stage.later(STORE, nap, move |stage| stage.note_of(node, STORE, Happened::Woken));
        self.stage.state().naps.push((node, Instant::now() + nap));
    }

    fn wake(&mut self) {
        let now = Instant::now();
        let mut state = self.stage.state();
        let woken: Vec<usize> = state.naps.iter().filter(|(_, until)| *until <= now).map(|(node, _)| *node).collect();
        state.naps.retain(|(_, until)| *until > now);
        drop(state);
        for node in woken {
            if let Some(node) = self.nodes.get_mut(&node) {
                node.stopped = false;
                self.ready.queue.lock().unwrap_or_else(PoisonError::into_inner).extend(node.held.drain(..));
            }
        }
    }

    /// The world is over; nothing that is dropped now does anything.
    pub(crate) fn bury(&mut self) {
        self.stage.state().muted = true;
        let tasks = std::mem::take(&mut self.tasks);
        let graves = std::mem::take(&mut self.graves);
        let _ = catch_unwind(AssertUnwindSafe(move || drop((tasks, graves))));
        let spawned = std::mem::take(&mut self.stage.state().spawned);
        let _ = catch_unwind(AssertUnwindSafe(move || drop(spawned)));
    }
}
