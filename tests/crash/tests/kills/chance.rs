//! Points and moments by chance.

use std::time::Duration;

use idem_store_tests::Place;

use crate::plan::{At, Case, Known, Strike};
use crate::points::{happen, report};
use crate::scene::{Blow, Policy, Scene};

/// How many processes are killed, unless `IDEM_KILLS` says so.
const KILLS: usize = 60;
const SEED: u64 = 6;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.below(some.len())]
    }

    fn case(&mut self) -> Case {
        let place = self.of(&[Place::Sqlite, Place::Redis, Place::Postgres]);
        let policy = self.of(Policy::ALL);
        let (impatient, newcomer) = (self.below(2) == 0, self.below(8) == 0);
        let mut case = Case { place, policy, strikes: Vec::new(), impatient, newcomer, guarded: true };
        for left in (0..=self.of(&[0, 0, 0, 1, 1, 2])).rev() {
            let blow = if left > 0 { Blow::Kill } else { self.of(&[Blow::Kill, Blow::Kill, Blow::Stop, Blow::Sleep]) };
            let points = points(&case);
            let at = if points.is_empty() || self.below(2) == 0 {
                let pace = Duration::from_micros(self.below(3000) as u64);
                let after = Duration::from_micros(self.below(4000) as u64) + pace * self.below(10) as u32;
                At::Moment { after, pace }
            } else {
                At::Point(self.of(&points))
            };
            case.strikes.push(Strike { at, blow, hard: self.below(2) == 0 });
        }
        case
    }
}

/// The points that the next process comes by.
fn points(case: &Case) -> Vec<Scene> {
    match (case.known(), case.policy) {
        (Some((Known::Nothing, _)), _) | (Some((Known::Unknown, _)), Policy::Again) => Scene::all(),
        // It asks, and then runs.
        (Some((Known::Unknown, 0)), Policy::Ask) => Scene::all(),
        (Some((Known::Unknown, _)), Policy::Ask) => Scene::asking(),
        _ => Vec::new(),
    }
}

#[test]
fn points_and_moments_by_chance() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let kills = number("IDEM_KILLS").map_or(KILLS, |kills| kills as usize);
    let seed = number("IDEM_SEED").unwrap_or(SEED);
    let (mut dice, mut cases, mut sum) = (Dice(seed), Vec::new(), 0);
    while sum < kills {
        let case = dice.case();
        sum += case.strikes.iter().filter(|strike| strike.blow == Blow::Kill).count();
        cases.push(case);
    }
    let (table, broken) = happen(cases);
    println!("IDEM_SEED={seed} IDEM_KILLS={kills}");
    report("by chance", &table, &broken);
}
