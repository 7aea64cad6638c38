//! Interleaved rounds: every contender runs in every round, so a machine that drifts drifts under all of them.

use std::time::Duration;

/// Something that is timed: runs so many calls and says how long they took.
pub struct Contender<'a> {
    name: &'static str,
    run: Box<dyn FnMut(u32) -> Duration + 'a>,
}

impl<'a> Contender<'a> {
    /// A contender that does its own timing, so that it can leave out what is not to be timed.
    pub fn new(name: &'static str, run: impl FnMut(u32) -> Duration + 'a) -> Self {
        Self { name, run: Box::new(run) }
    }
}

/// Runs the contenders in turn and prints nanoseconds per call and the ratio to the first one, as medians over the rounds.
pub fn compare(title: &str, calls: u32, rounds: usize, mut contenders: Vec<Contender<'_>>) {
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..=rounds {
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            let time = (contender.run)(calls).as_nanos() as f64 / f64::from(calls);
            // The first round warms up.
            if round > 0 {
                times.push(time);
            }
        }
    }
    println!("\n{title} ({rounds} rounds of {calls} calls)");
    let base = times[0].clone();
    for (contender, times) in contenders.iter().zip(times) {
        let ratios = times.iter().zip(&base).map(|(time, base)| time / base).collect();
        println!("  {:<44}{:>9.0} ns{:>8.2} x", contender.name, median(times), median(ratios));
    }
}

/// The value in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
