//! Trying orders.

use std::cell::Cell;
use std::future::Future;
use std::time::{Duration, Instant};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, MaxSteps, Runner};
use tokio::time;

/// How time goes on in a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    /// Only when nobody can do anything before: to the first moment that is waited for.
    Patient,
    /// Also so many times in between, by so many seconds: everybody pauses.
    Jumps(usize, u64),
}

/// How many scenarios share the schedules.
const SCENARIOS: usize = 11;
/// Schedules in all, half of them at random, half with a few changes of priority.
const SCHEDULES: usize = 100_000;
const SEED: u64 = 20_261_126;

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// Runs a scenario in many orders. It fails where one of them fails, or comes to a standstill.
pub(crate) fn explore<F: Future<Output = ()> + Send + 'static>(name: &str, passing: Time, scenario: fn() -> F) {
    let schedules = env("IDEM_SCHEDULES").map_or(SCHEDULES, |all| all as usize).div_ceil(2 * SCENARIOS);
    let seed = env("IDEM_SEED").unwrap_or(SEED);
    let began = Instant::now();
    let run = move || {
        time::begin();
        shuttle::future::block_on(async move {
            // The second task of all, see `Patient`. Nobody waits for it.
            drop(tokio::spawn(clock(passing)));
            scenario().await;
        });
    };
    let mut config = Config::new();
    config.stack_size = 0x4_0000;
    config.max_steps = MaxSteps::FailAfter(200_000);
    config.silence_warnings = true;
    let random = RandomScheduler::new_from_seed(seed, schedules);
    let mut tried = Runner::new(Patient(random), config.clone()).run(run);
    let priorities = PctScheduler::new_from_seed(seed, 3, schedules);
    tried += Runner::new(Patient(priorities), config).run(run);
    println!("threads: {name}: {tried} schedules from seed {seed}, {:.1?}", began.elapsed());
}

thread_local! {
    /// Whether time may go on though others could do something.
    static RESTLESS: Cell<bool> = const { Cell::new(false) };
}

/// Lets time go on. Where nobody waits for anything there is nothing left for it to do.
async fn clock(passing: Time) {
    RESTLESS.set(passing != Time::Patient);
    if let Time::Jumps(jumps, seconds) = passing {
        for _ in 0..jumps {
            let pause = shuttle::rand::Rng::gen_range(&mut shuttle::rand::thread_rng(), 0..12);
            for _ in 0..pause {
                tokio::task::yield_now().await;
            }
            time::advance(Duration::from_secs(seconds));
        }
        RESTLESS.set(false);
    }
    tokio::task::yield_now().await;
    while time::go_on() {
        tokio::task::yield_now().await;
    }
}

/// A scheduler that runs the clock last: as long as anybody else can do something, time stands still. So what must not wait for
/// time does not, and whoever is not woken is noticed.
struct Patient<S>(S);

impl<S: Scheduler> Scheduler for Patient<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        RESTLESS.set(false);
        self.0.new_execution()
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, is_yielding: bool) -> Option<TaskId> {
        let others: Vec<_> = runnable.iter().copied().filter(|task| usize::from(task.id()) != 1).collect();
        let candidates = if RESTLESS.get() || others.is_empty() { runnable } else { &others };
        self.0.next_task(candidates, current, is_yielding)
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}
