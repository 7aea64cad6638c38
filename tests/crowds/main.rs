//! Crowds: ten thousand callers of one key, a hundred thousand keys at once. Everybody gets an answer, nothing is left of them
//! afterwards, and memory is as it was. The figures are printed with `--nocapture`.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, missing_docs)]

mod many_keys;
mod one_key;
mod processes;

use std::alloc::System;
use std::future::{poll_fn, Future};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use idem::{CallError, Idem, MokaStore, OperationBuilder, Outcome};
use idem_testing::{Clock, Faulty};
use stats_alloc::{StatsAlloc, INSTRUMENTED_SYSTEM};
use tokio::sync::{watch, Mutex, MutexGuard};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Answer = Result<Outcome<u64>, CallError<&'static str>>;

const TTL: Duration = Duration::from_secs(60 * 60);
/// A round's worth of what is allocated lazily: a cache's own buffers, a runtime's queues.
const SLACK: usize = 512 * 1024;

/// One crowd at a time: the heap is the process's.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// Bytes that are allocated now.
fn live() -> usize {
    let stats = HEAP.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// A crowd on one store, whose bodies wait at a gate.
#[derive(Clone)]
struct Crowd {
    idem: Idem,
    store: Faulty,
    clock: Clock,
    gate: Arc<watch::Sender<bool>>,
    came: Arc<AtomicUsize>,
    ran: Arc<AtomicUsize>,
}

impl Crowd {
    /// On a store that has to be asked, or on one that has results at hand.
    fn new(peeks: bool) -> Self {
        let clock = Clock::new();
        let store = Faulty::new(MokaStore::builder().clock(clock.clone()).build());
        let store = if peeks { store } else { store.without_peek() };
        let idem = Idem::builder(store.clone()).ttl(TTL).build().unwrap();
        Self {
            idem,
            store,
            clock,
            gate: Arc::new(watch::Sender::new(false)),
            came: Arc::default(),
            ran: Arc::default(),
        }
    }

    /// The same store, as another process sees it.
    fn elsewhere(&self) -> Self {
        Self { idem: Idem::builder(self.store.clone()).ttl(TTL).build().unwrap(), ..self.clone() }
    }

    fn op(&self, key: u64) -> OperationBuilder {
        self.idem.operation("crowd").key(key).wait(TTL)
    }

    /// A call that counts itself as come once it waits, for the gate or for another call.
    async fn call(&self, op: OperationBuilder, result: Result<u64, &'static str>) -> Answer {
        let mut call = pin!(op.run(async {
            self.ran.fetch_add(1, Ordering::SeqCst);
            self.gate.subscribe().wait_for(|open| *open).await.expect("the sender is here");
            result
        }));
        let mut polled = false;
        poll_fn(|cx| {
            let answer = call.as_mut().poll(cx);
            if !std::mem::replace(&mut polled, true) {
                self.came.fetch_add(1, Ordering::SeqCst);
            }
            answer
        })
        .await
    }

    /// Until so many have come.
    async fn have_come(&self, callers: usize) {
        while self.came.load(Ordering::SeqCst) < callers {
            tokio::task::yield_now().await;
        }
    }

    /// Until so many bodies have begun.
    async fn have_begun(&self, bodies: usize) {
        while self.ran() < bodies {
            tokio::task::yield_now().await;
        }
    }

    fn ran(&self) -> usize {
        self.ran.load(Ordering::SeqCst)
    }

    fn open(&self) {
        self.gate.send_replace(true);
    }

    /// Shuts the gate and starts counting again.
    fn again(&self) {
        self.gate.send_replace(false);
        self.came.store(0, Ordering::SeqCst);
        self.ran.store(0, Ordering::SeqCst);
    }

    /// Forgets all that is recorded, by the clock.
    async fn an_hour_later(&self) {
        self.clock.step(TTL * 3);
        while self.idem.sweep(10_000).await.unwrap() > 0 {}
    }

    /// Slots and calls under way, as the handle shows them.
    fn left(&self) -> (usize, usize) {
        let shown = format!("{:?}", self.idem);
        let number = |name: &str| {
            let (_, rest) = shown.rsplit_once(name).expect("it is shown");
            rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().expect("a number")
        };
        (number("slots: "), number("under_way: "))
    }
}

/// Until no more tasks than these are alive. A task is so for a moment after its handle knows the end.
async fn tasks(left: usize) {
    let metrics = tokio::runtime::Handle::current().metrics();
    let down = async {
        while metrics.num_alive_tasks() > left {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TTL, down).await.expect("tasks come to an end");
}
