//! A world out of a seed.

use idem_simulation::dice::Dice;
use idem_simulation::wire::{Trouble, Troubled, Word};

use crate::plan::{Act, Body, Class, Deploy, Ends, Kept, Plan, Print, LASTS};

/// Dice of their own: all else in a world is as it would be without `fail_open`.
const OPEN: u64 = 0x6f70_656e;

/// The world of a seed.
pub(crate) fn plan(seed: u64) -> Plan {
    let mut dice = Dice::new(seed);
    let class = match dice.below(100) {
        0..15 => Class::Calm,
        15..65 => Class::Faults,
        65..80 => Class::Steps,
        80..90 => Class::Forgets,
        _ => Class::Memory,
    };
    let slots = if class == Class::Memory { 1 } else { dice.between(1, 3) };
    let keys = dice.between(1, 2);
    let mut deploys = deploys(&mut dice, class);
    let mut open = Dice::new(seed ^ OPEN);
    fail_open(&mut open, &mut deploys);
    let mut plan = Plan {
        seed,
        class,
        keys: u32::try_from(keys).unwrap(),
        latency: dice.pick(&[0, 1, 3, 10]),
        slots: (0..slots).map(|_| index(&mut dice, deploys.len())).collect(),
        deploys,
        acts: Vec::new(),
    };
    let mut make = Make { dice, plan: &plan, acts: Vec::new(), word: 1_000_000 };
    make.calls();
    make.trouble();
    let mut acts = make.acts;
    if class == Class::Memory && plan.deploys.iter().any(|deploy| deploy.fail_open) {
        acts.extend(of_memory(&mut open));
    }
    acts.sort_by_key(|(at, _)| *at);
    plan.acts = acts;
    plan
}

/// Some fail open, and some stop or begin to in their next deploy.
fn fail_open(dice: &mut Dice, deploys: &mut [Deploy]) {
    let first = dice.chance(35);
    for (number, deploy) in deploys.iter_mut().enumerate() {
        deploy.fail_open = first ^ (number > 0 && dice.chance(25));
    }
}

/// Trouble of a store in memory, which has none where nobody fails open: it refuses, or never answers.
fn of_memory(dice: &mut Dice) -> Vec<(u64, Act)> {
    let trouble = |dice: &mut Dice| {
        let percent = dice.pick(&[20, 50, 100]);
        let trouble = match dice.below(4) {
            0 => Trouble::Cut,
            1 => Trouble::Loses(percent),
            2 => Trouble::Resets(percent),
            _ => Trouble::Refuses(percent),
        };
        let at = dice.below(LASTS);
        let until = at + dice.below(2_000);
        (at, Act::Trouble(Troubled { slot: None, trouble, until }))
    };
    (0..dice.between(1, 6)).map(|_| trouble(dice)).collect()
}

fn index(dice: &mut Dice, of: usize) -> usize {
    usize::try_from(dice.below(of as u64)).unwrap()
}

/// One set of options and a few more that differ in some.
fn deploys(dice: &mut Dice, class: Class) -> Vec<Deploy> {
    let first = deploy(dice, class);
    let mut deploys = vec![first];
    for _ in 0..dice.below(3) {
        let other = deploy(dice, class);
        let mut next = first;
        for option in 0..8 {
            if !dice.chance(25) {
                continue;
            }
            match option {
                0 => next.ttl = other.ttl,
                1 => next.lease = other.lease,
                2 => next.wait = other.wait,
                3 => next.print = dice.pick(&[Print::Nothing, Print::Request, Print::Reshaped]),
                4 => next.at_most_once = !next.at_most_once,
                5 => next.record_err = !next.record_err,
                6 => next.reconcile = !next.reconcile,
                _ => next.detached = !next.detached,
            }
        }
        next.store = other.store;
        deploys.push(next);
    }
    deploys
}

fn deploy(dice: &mut Dice, class: Class) -> Deploy {
    let store = match dice.below(10) {
        _ if class == Class::Memory => Kept::Plain,
        0..5 => Kept::Plain,
        5 => Kept::Hinted,
        6 | 7 => Kept::Tiered(dice.pick(&[300, 1500, 60_000])),
        // What a store forgets has the same version twice; `ConditionalStore` forbids that.
        _ if class == Class::Forgets => Kept::Plain,
        _ => Kept::CasStore,
    };
    Deploy {
        ttl: dice.pick(&[1_000, 4_000, 30_000, 3_600_000]),
        lease: dice.pick(&[200, 600, 1_500]),
        wait: dice.pick(&[0, 0, 200, 1_000, 5_000]),
        timeout: dice.pick(&[150, 5_000]),
        print: dice.pick(&[Print::Nothing, Print::Nothing, Print::Request]),
        at_most_once: dice.chance(35),
        record_err: dice.chance(40),
        unknown_err: dice.chance(70),
        reconcile: dice.chance(25),
        detached: dice.chance(30),
        fail_open: false,
        store,
    }
}

struct Make<'a> {
    dice: Dice,
    plan: &'a Plan,
    acts: Vec<(u64, Act)>,
    word: u64,
}

impl Make<'_> {
    fn slot(&mut self) -> u32 {
        u32::try_from(self.dice.below(self.plan.slots.len() as u64)).unwrap()
    }

    fn key(&mut self) -> u32 {
        u32::try_from(self.dice.below(u64::from(self.plan.keys))).unwrap()
    }

    /// Calls come in clusters, for those are the ones that meet.
    fn calls(&mut self) {
        let mut at = 0;
        for _ in 0..self.dice.between(3, 18) {
            at += match self.dice.below(3) {
                0 => self.dice.below(3),
                1 => self.dice.below(200),
                _ => self.dice.below(1_500),
            };
            let at = at.min(LASTS - 1);
            let (slot, key) = (self.slot(), self.key());
            if self.dice.chance(10) {
                self.word += 1;
                let word = self.dice.pick(&[Word::Resolve(self.word), Word::Retry, Word::Forget, Word::Inspect]);
                self.acts.push((at, Act::Operate { slot, key, word }));
                continue;
            }
            let body = self.body();
            let leaves = self.dice.chance(25).then(|| self.dice.below(body.ms + 60));
            let request = u8::from(self.dice.chance(15));
            self.acts.push((at, Act::Call { slot, key, request, body, leaves }));
        }
    }

    fn body(&mut self) -> Body {
        let ms = match self.dice.below(5) {
            0 => 0,
            1 => self.dice.below(30),
            2 | 3 => self.dice.below(600),
            _ => self.dice.below(3_000),
        };
        let ends = match self.dice.below(20) {
            0..11 => Ends::Value,
            11 => Ends::Odd,
            12..15 => Ends::Known,
            15 | 16 => Ends::Kept,
            17 | 18 => Ends::Unknown,
            _ => Ends::Panic,
        };
        Body { ms, effect: self.dice.below(ms + 1), ends }
    }

    fn trouble(&mut self) {
        let class = self.plan.class;
        if class == Class::Calm {
            return;
        }
        for _ in 0..self.dice.between(1, 8) {
            let at = self.dice.below(LASTS);
            let act = self.one_trouble(class, at);
            self.acts.extend(act.map(|act| (at, act)));
        }
        if class == Class::Steps {
            for _ in 0..self.dice.between(1, 3) {
                let by = self.dice.pick(&[50, 700, 2_000, 40_000_i64]);
                let by = if self.dice.chance(40) { -by } else { by };
                self.acts.push((self.dice.below(LASTS), Act::Turn(by)));
            }
        }
        if class == Class::Forgets {
            for _ in 0..self.dice.between(1, 3) {
                self.acts.push((self.dice.below(LASTS), Act::Sync));
                self.acts.push((self.dice.below(LASTS), Act::Restart));
            }
        }
    }

    fn one_trouble(&mut self, class: Class, at: u64) -> Option<Act> {
        let slot = self.slot();
        let deploy = index(&mut self.dice, self.plan.deploys.len());
        let ms = match self.dice.below(3) {
            0 => self.dice.below(150),
            1 => self.dice.below(1_000),
            _ => self.dice.below(4_000),
        };
        Some(match self.dice.below(20) {
            0..4 => Act::Stop { slot, ms },
            // Nothing of a store in memory survives.
            4..7 if class != Class::Memory => Act::Crash { slot, down: self.dice.below(500), deploy },
            7..9 if class != Class::Memory => Act::Drain { slot, ms, deploy },
            9 => Act::Sweep { slot },
            _ if class == Class::Memory => return None,
            _ => {
                let percent = self.dice.pick(&[20, 50, 100]);
                let trouble = match self.dice.below(13) {
                    12 => Trouble::Cut,
                    0..3 => Trouble::Loses(percent),
                    3 | 4 => Trouble::Doubles(percent, self.dice.pick(&[20, 500, 6_000])),
                    5 | 6 => Trouble::Slow(self.dice.pick(&[50, 400])),
                    7 | 8 => Trouble::Resets(percent),
                    9 => Trouble::Refuses(percent),
                    10 => Trouble::Late(percent, self.dice.pick(&[1_000, 6_000])),
                    _ => Trouble::Full,
                };
                let whose = self.dice.chance(60).then_some(slot);
                Act::Trouble(Troubled { slot: whose, trouble, until: at + ms })
            }
        })
    }
}
