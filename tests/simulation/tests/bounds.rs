//! No take-over earlier than one lease after the start of the last successful renewal.
//!
//! Each sample is a world of its own: an owner that dies, stops for ever or is cut off at some moment, its renewals slow, lost
//! and doubled until then; and another node that waits for the key, or asks for it now and then. How late the take-over is,
//! is a figure and no test.
//! `IDEM_SEEDS=n` takes more samples, `IDEM_SEED=n` one.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use idem::{CallError, CasStore, Idem, Key, Outcome, Store};
use idem_simulation::dice::Dice;
use idem_simulation::tasks::{current_call, Tasks, Work};
use idem_simulation::wire::{drive, Line, Note, Script, Trouble, Troubled, Wire};

const SAMPLES: u64 = 10_000;

/// How a sample is drawn, in ms.
#[derive(Debug, Clone)]
struct Sample {
    lease: u64,
    latency: u64,
    dies: u64,
    how: Death,
    troubles: Vec<Trouble>,
    /// The other one asks so often; zero: it asks once, and waits.
    polls: u64,
    hints: bool,
    cas: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    Crash,
    Stop,
    Cut,
}

fn sample(dice: &mut Dice) -> Sample {
    let lease = dice.pick(&[100, 300, 1_500, 15_000]);
    let troubles =
        [Trouble::Slow(lease / 5), Trouble::Loses(40), Trouble::Doubles(40, lease), Trouble::Late(20, lease)];
    Sample {
        lease,
        latency: dice.pick(&[0, 1, 5]),
        dies: dice.between(1, 6 * lease),
        how: dice.pick(&[Death::Crash, Death::Stop, Death::Cut]),
        troubles: troubles.into_iter().filter(|_| dice.chance(40)).collect(),
        polls: if dice.chance(50) { 0 } else { dice.between(lease / 30, lease / 2) },
        hints: dice.chance(30),
        cas: dice.chance(20),
    }
}

enum Todo {
    Own,
    Trouble,
    Die,
    Ask,
    Over,
}

struct World {
    sample: Sample,
    tasks: Tasks,
    wire: Wire,
    idems: [Idem; 2],
    todo: BTreeMap<(u64, u32), Todo>,
    calls: u32,
    /// Whether the other one has run its body.
    taken: Arc<AtomicBool>,
}

/// The owner is call 0 on node 0; all others are the other node's.
const OWNER: u32 = 0;

impl World {
    fn call(&mut self, node: u32, body: u64, wait: u64) {
        let (idem, lease) = (self.idems[node as usize].clone(), Duration::from_millis(self.sample.lease));
        let taken = Arc::clone(&self.taken);
        let op = idem.operation("sim").key(1).lease(lease).wait(Duration::from_millis(wait));
        let work = async move {
            let body = async {
                tokio::time::sleep(Duration::from_millis(body)).await;
                Ok::<_, ()>(())
            };
            let answer: Result<Outcome<()>, CallError<()>> = op.run(body).await;
            taken.fetch_or(answer.is_ok(), Ordering::Relaxed);
        };
        self.tasks.spawn(node, self.calls, Box::pin(work));
        self.calls += 1;
    }
}

impl Script for World {
    fn next(&self) -> Option<u64> {
        self.todo.first_key_value().map(|((at, _), _)| *at)
    }

    fn act(&mut self, now: u64) {
        if self.taken.swap(false, Ordering::Relaxed) {
            self.todo = BTreeMap::from([((now, 0), Todo::Over)]);
        }
        while let Some(entry) = self.todo.first_entry().filter(|entry| entry.key().0 <= now) {
            let (lease, polls) = (self.sample.lease, self.sample.polls);
            match entry.remove() {
                Todo::Own => self.call(0, 1_000 * lease, 0),
                Todo::Trouble => {
                    for trouble in self.sample.troubles.iter().copied() {
                        self.wire.trouble(Troubled { slot: Some(0), trouble, until: self.sample.dies });
                    }
                }
                Todo::Ask if polls == 0 => self.call(1, 0, 100 * lease),
                Todo::Ask => {
                    self.call(1, 0, 0);
                    self.todo.insert((now + polls, self.calls), Todo::Ask);
                }
                Todo::Die => match self.sample.how {
                    Death::Crash => self.tasks.kill(0),
                    Death::Stop => self.tasks.stop(0),
                    Death::Cut => {
                        self.wire.trouble(Troubled { slot: Some(0), trouble: Trouble::Cut, until: u64::MAX });
                    }
                },
                Todo::Over => {
                    self.tasks.kill(0);
                    self.tasks.kill(1);
                    self.todo.clear();
                }
            }
        }
    }
}

fn idem(line: Line, cas: bool) -> Idem {
    fn build(store: impl Store, tasks: Tasks, node: u32) -> Idem {
        let spawn = move |task: Work| {
            tasks.spawn(node, current_call(), task);
        };
        Idem::builder(store).spawner(spawn).build().unwrap()
    }
    let (tasks, node) = (line.tasks.clone(), line.node);
    if cas {
        build(CasStore::new(line), tasks, node)
    } else {
        build(line, tasks, node)
    }
}

/// The take-over, the end of the lease that began with the last successful renewal, and when somebody first asked, in ms.
fn bound(seed: u64) -> (Sample, u64, u64, u64) {
    idem::private::seed_jitter(seed);
    let mut dice = Dice::new(seed);
    let sample = sample(&mut dice);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (lease, dies) = (sample.lease, sample.dies);
    let (notes, asked) = runtime.block_on(async {
        let tasks = Tasks::default();
        let wire = Wire::new(dice.fork(), sample.latency, vec![Key::new("", "sim", &1).unwrap()]);
        let idems = [0, 1].map(|node| {
            let line = Line { wire: wire.clone(), tasks: tasks.clone(), slot: node, node, hints: sample.hints };
            idem(line, sample.cas)
        });
        let begins = dice.between(1, dies + lease);
        let todo = BTreeMap::from([
            ((0, 0), Todo::Own),
            // By then it has the key: one that gives its claim up is another matter.
            ((20, 0), Todo::Trouble),
            ((dies, 1), Todo::Die),
            ((begins, 2), Todo::Ask),
            ((dies + 20 * lease + 20_000, 3), Todo::Over),
        ]);
        let mut world = World {
            sample: sample.clone(),
            tasks: tasks.clone(),
            wire: wire.clone(),
            idems,
            todo,
            calls: 0,
            taken: Arc::default(),
        };
        drive(&tasks, &wire, dice, &mut world).await;
        (wire.notes(), begins)
    });
    let mut until = None;
    for seen in notes {
        let Note::Changed(change) = seen.note else { continue };
        if change.call == OWNER {
            until = until.max(Some(change.sent + lease));
        } else {
            // An owner that never got so far as to have the key has no lease.
            return (sample, seen.at, until.unwrap_or(seen.at), asked);
        }
    }
    panic!("IDEM_SEED={seed}: nobody took over: {sample:?}");
}

#[test]
fn no_take_over_within_a_lease_of_the_last_renewal() {
    let number = |variable: &str| std::env::var(variable).ok().map(|value| value.parse::<u64>().expect("a number"));
    let seeds = match (number("IDEM_SEED"), number("IDEM_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, samples) => 0..samples.unwrap_or(SAMPLES),
    };
    let count = seeds.end - seeds.start;
    // For those that wait, and for those that ask now and then: how late, in ms and in thousandths of the lease.
    let mut late: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for seed in seeds {
        let (sample, taken, until, asked) = bound(seed);
        assert!(until <= taken, "IDEM_SEED={seed}: taken over {} ms too early: {sample:?}", until - taken);
        let who = match (sample.polls, sample.hints, sample.troubles.is_empty()) {
            (_, _, false) => "in trouble",
            (0, false, _) => "waiting",
            (0, true, _) => "waiting, with hints",
            _ => "asking now and then",
        };
        // Nobody can take over before anybody asks.
        let by = taken - until.max(asked);
        late.entry(who).or_default().push((by, by * 1_000 / sample.lease));
    }
    for (who, mut late) in late {
        late.sort_unstable();
        let at = |per_mille: usize| late[(late.len() - 1) * per_mille / 1_000].0;
        let (median, p99, max) = (at(500), at(990), at(1_000));
        let leases = late.iter().map(|(_, share)| *share).max().unwrap_or(0);
        println!("take-over after the lease's end, {who}: median {median} ms, p99 {p99} ms, max {max} ms, at most {leases} ‰ of a lease");
    }
    println!("bounds: {count} samples, none too early");
}
