//! Interleaved rounds: every contender runs in every round, so a machine that drifts drifts under all of them.

use std::time::{Duration, Instant};

use crate::effort::Effort;
use crate::spread::Spread;

/// Something that is timed: runs so many calls and says how long they took.
pub struct Contender<'a> {
    name: String,
    run: Box<dyn FnMut(u32) -> Duration + 'a>,
}

impl<'a> Contender<'a> {
    /// A contender that does its own timing, so that it can leave out what is not to be timed.
    pub fn new(name: impl Into<String>, run: impl FnMut(u32) -> Duration + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// How long to run.
#[derive(Debug, Clone, Copy)]
pub struct Rounds {
    /// How many count; one more warms up.
    pub rounds: usize,
    /// How long the first contender takes in one, about; so many calls do all.
    pub slice: Duration,
    /// No fewer calls than this, and a multiple of it.
    pub least: u32,
    /// No more calls than this.
    pub most: u32,
}

impl Rounds {
    /// What such an effort allows.
    pub fn of(effort: Effort) -> Self {
        Self { rounds: effort.rounds(), slice: effort.slice(), least: 1, most: 1_000_000 }
    }

    /// So many callers share the calls.
    pub fn callers(self, callers: u32) -> Self {
        Self { least: callers, ..self }
    }

    /// At most so many calls, where each leaves something behind.
    pub fn most(self, most: u32) -> Self {
        Self { most, ..self }
    }

    /// Exactly so many calls.
    pub fn exactly(self, calls: u32) -> Self {
        Self { least: calls, most: calls, ..self }
    }
}

/// What a contender took.
#[derive(Debug, Clone)]
pub struct Timed {
    /// Its name.
    pub name: String,
    /// Nanoseconds a call.
    pub each: Spread,
    /// To the first one, round by round.
    pub ratio: Spread,
}

/// Runs the contenders in turn, each round from another one on.
pub fn compare(how: Rounds, mut contenders: Vec<Contender<'_>>) -> Vec<Timed> {
    let calls = calls(how, &mut contenders[0]);
    let count = contenders.len();
    let mut times = vec![Vec::with_capacity(how.rounds); count];
    for round in 0..=how.rounds {
        for place in 0..count {
            let which = (round + place) % count;
            let time = (contenders[which].run)(calls).as_nanos() as f64 / f64::from(calls);
            if round > 0 {
                times[which].push(time);
            }
        }
    }
    let base = times[0].clone();
    let timed = contenders.into_iter().zip(times).map(|(contender, times)| Timed {
        name: contender.name,
        ratio: Spread::of(times.iter().zip(&base).map(|(time, base)| time / base).collect()),
        each: Spread::of(times),
    });
    timed.collect()
}

/// How many calls fill a slice.
fn calls(how: Rounds, first: &mut Contender<'_>) -> u32 {
    let mut calls = how.least;
    while calls < how.most {
        let began = Instant::now();
        let took = (first.run)(calls);
        // What is left out of the timing takes its time as well.
        let took = took.max(began.elapsed() / 4);
        if took >= how.slice / 4 {
            let fit = how.slice.as_secs_f64() / took.as_secs_f64().max(1e-9) * f64::from(calls);
            calls = fit as u32;
            break;
        }
        calls = calls.saturating_mul(4);
    }
    (calls.min(how.most) / how.least).max(1) * how.least
}
