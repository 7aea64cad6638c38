//! Many nodes, one seed: whole worlds decided by a number, held against the laws.
//!
//! - `cargo test -p idem-simulation --test seeds` tries the first 20,000 seeds.
//! - `IDEM_SEEDS=1000000 IDEM_FROM=20000 cargo test --release -p idem-simulation --test seeds` tries a million others.
//! - `IDEM_SEED=n` tries one, and shows what happened in it.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod call;
mod check;
mod digest;
mod generate;
mod plan;
mod shrink;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use check::check;
use idem_simulation::wire::{Answer, Note, Refusal};
use world::History;

const SEEDS: u64 = 20_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

/// What many worlds were made of.
#[derive(Default)]
struct Tally {
    counts: BTreeMap<&'static str, u64>,
    digest: u64,
}

impl Tally {
    fn add(&mut self, what: &'static str, count: u64) {
        *self.counts.entry(what).or_default() += count;
    }

    fn world(&mut self, history: &History) {
        self.add("worlds", 1);
        self.add("calls", history.calls.len() as u64);
        self.add("nodes", history.nodes.len() as u64);
        for seen in &history.notes {
            match &seen.note {
                Note::Began { .. } => self.add("bodies", 1),
                Note::Changed(_) => self.add("changes", 1),
                Note::Answered(_, answer) => self.add(name(answer), 1),
                _ => {}
            }
        }
        self.digest ^= digest::digest(history).rotate_left(u32::try_from(history.plan.seed % 64).unwrap());
    }

    fn merge(&mut self, other: &Self) {
        other.counts.iter().for_each(|(what, count)| self.add(what, *count));
        self.digest ^= other.digest;
    }
}

fn name(answer: &Answer) -> &'static str {
    match answer {
        Answer::Value(_, idem::Kind::Executed) => "executed",
        Answer::Value(_, idem::Kind::Replayed) => "replayed",
        Answer::Value(_, idem::Kind::Attached) => "attached",
        Answer::Value(_, idem::Kind::Unguarded) | Answer::Error(_, Some(idem::Kind::Unguarded)) => "unguarded",
        Answer::Value(..) => "reconciled",
        Answer::Error(..) | Answer::Panicked => "failed",
        Answer::Refused(Refusal::InProgress) => "in-progress",
        Answer::Refused(Refusal::KeyReused) => "key-reused",
        Answer::Refused(Refusal::Indeterminate(_)) => "indeterminate",
        Answer::Refused(Refusal::Unreplayable) => "unreplayable",
        Answer::Refused(Refusal::Decode) => "decode",
        Answer::Refused(Refusal::Store) => "store",
        Answer::Refused(_) => "shutting-down",
        Answer::Settled(_) => "settled",
        Answer::Garbled(_) => "garbled",
    }
}

fn show(history: &History, wrong: &[String]) {
    let plan = &history.plan;
    println!(
        "seed {} {:?}, {} keys, latency {} ms, places {:?}",
        plan.seed, plan.class, plan.keys, plan.latency, plan.slots
    );
    plan.deploys.iter().for_each(|deploy| println!("{deploy:?}"));
    plan.acts.iter().for_each(|(at, act)| println!("at {at} ms {act:?}"));
    for (seq, seen) in history.notes.iter().enumerate() {
        let text = match &seen.note {
            Note::Changed(change) => {
                format!("key {} by call {}: {}", change.key, change.call, digest::record(&change.after))
            }
            other => format!("{other:?}"),
        };
        println!("#{seq:<4} {:>6} ms  {text}", seen.at);
    }
    wrong.iter().for_each(|wrong| println!("WRONG {wrong}"));
}

/// A seed that fails: what is wrong, and the shortest plan that still fails.
fn fail(seed: u64, wrong: &[String]) -> ! {
    let plan = shrink::shrink(&generate::plan(seed));
    let history = world::run(&plan);
    println!("shrunk to {} acts:", plan.acts.len());
    show(&history, &check(&history));
    panic!("IDEM_SEED={seed}: {}", wrong.join("\n"));
}

#[test]
fn seeds() {
    if let Some(seed) = number("IDEM_SEED") {
        let history = world::run(&generate::plan(seed));
        let wrong = check(&history);
        show(&history, &wrong);
        if !wrong.is_empty() {
            fail(seed, &wrong);
        }
        return;
    }
    let (from, seeds) = (number("IDEM_FROM").unwrap_or(0), number("IDEM_SEEDS").unwrap_or(SEEDS));
    let (start, next, failed) = (Instant::now(), AtomicU64::new(from), AtomicBool::new(false));
    let work = || {
        let mut tally = Tally::default();
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + seeds {
                break;
            }
            let history = world::run(&generate::plan(seed));
            let wrong = check(&history);
            if !wrong.is_empty() && !failed.swap(true, Ordering::Relaxed) {
                fail(seed, &wrong);
            }
            tally.world(&history);
        }
        tally
    };
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(work));
        for thread in threads {
            match thread.join() {
                Ok(part) => tally.merge(&part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    println!("seeds {from}.. in {:.1?}, all histories {:016x}: {:?}", start.elapsed(), tally.digest, tally.counts);
}

/// The same seed is the same world, on any thread and after any other.
#[test]
fn the_same_seed_is_the_same_world() {
    let digest = |seed| digest::digest(&world::run(&generate::plan(seed)));
    let seeds = 0..300;
    let here: Vec<_> = seeds.clone().map(digest).collect();
    let there = std::thread::spawn(move || seeds.rev().map(digest).collect::<Vec<_>>()).join().unwrap();
    assert!(here.iter().eq(there.iter().rev()), "two worlds of one seed");
    let mut others = here.clone();
    others.sort_unstable();
    others.dedup();
    assert!(others.len() > 290, "most worlds differ");
}
