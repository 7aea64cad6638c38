//! All worlds of a kind: each thing at its first point, its second, and so on until there is none.

use std::time::Duration;

use crate::history::Happened;
use crate::judge::judge;
use crate::path::Path;
use crate::play::{play, Played};
use crate::world::{Fate, Nap, Second, What, Wire, World};

/// Counts worlds, and keeps what is wrong with them.
pub(crate) struct Every {
    pub(crate) seed: u64,
    pub(crate) worlds: usize,
    pub(crate) failed: Vec<(String, Vec<String>)>,
}

/// After how many worlds that break a law no more are looked for.
const ENOUGH: usize = 100;

/// Everything that can happen once, by kind: each is counted by its point.
const KINDS: [fn(usize) -> What; 6] = [
    What::Drop,
    |at| What::Crash(at + 1),
    |at| What::Stop(at + 1, Nap::Short),
    |at| What::Stop(at + 1, Nap::Long),
    What::Panic,
    What::AskPanic,
];

impl Every {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, worlds: 0, failed: Vec::new() }
    }

    /// Plays a world, and again for what may become of its requests on the wire.
    fn world(&mut self, world: &World, alone: Option<Duration>) -> Played {
        let played = self.one(world, alone);
        if played.wired {
            for wire in [Wire::Arrives, Wire::Strays] {
                self.one(&World { wire, ..world.clone() }, alone);
            }
        }
        played
    }

    fn one(&mut self, world: &World, alone: Option<Duration>) -> Played {
        let played = play(world, self.seed);
        // A world in which something does not come to happen is another one's.
        if played.all_fired() && (world.second.is_none() || played.second_came) {
            self.worlds += 1;
            let wrong = judge(world, &played, alone);
            if !wrong.is_empty() {
                self.failed.push((world.to_string(), wrong));
            }
        }
        played
    }

    /// Whether enough is wrong to be looked into first.
    pub(crate) fn is_enough(&self) -> bool {
        self.failed.len() >= ENOUGH
    }

    /// One thing at every point, upon what is there already.
    fn each_kind(&mut self, base: &World, alone: Option<Duration>, then: &mut impl FnMut(&mut Self, &World)) {
        for kind in KINDS {
            self.each_point(base, alone, &kind, then);
        }
        self.each_verb(base, alone, then);
    }

    /// The same of all that can happen to verbs.
    fn each_verb(&mut self, base: &World, alone: Option<Duration>, then: &mut impl FnMut(&mut Self, &World)) {
        for fate in Fate::ALL {
            self.each_point(base, alone, &|at| What::Verb(at, fate), then);
        }
        for fate in [Fate::NotApplied, Fate::Refused, Fate::Silent] {
            self.each_point(base, alone, &|at| What::Outage(at, fate), then);
        }
    }

    fn each_point(
        &mut self,
        base: &World,
        alone: Option<Duration>,
        kind: &impl Fn(usize) -> What,
        then: &mut impl FnMut(&mut Self, &World),
    ) {
        for point in 0.. {
            let world = base.with(kind(point));
            let played = self.world(&world, alone);
            if played.fired.last() != Some(&true) || self.is_enough() {
                break;
            }
            then(self, &world);
        }
    }

    /// How long the first call takes when nothing happens.
    fn calm(&mut self, path: Path) -> Option<Duration> {
        let world = World::of(path);
        let played = self.world(&world, None);
        let over = |event: &&crate::history::Event| event.call == 0 && matches!(event.what, Happened::Over(_));
        played.events.iter().find(over).map(|event| event.at)
    }

    /// The first call alone, and one thing that happens.
    pub(crate) fn alone(&mut self, path: Path) {
        let calm = self.calm(path);
        self.each_kind(&World::of(path), calm, &mut |_, _| {});
    }

    /// A second call at every point of a world.
    pub(crate) fn seconds(&mut self, base: &World) {
        let mut kinds: Vec<_> = seconds(base.path).into_iter().map(|kind| (kind, false)).collect();
        // It takes over, and leaves the key to the one that was stopped.
        if base.whats.iter().any(|what| matches!(what, What::Stop(..))) {
            kinds.push(((false, true, false), true));
        }
        for ((here, waits, other), fails) in kinds {
            for at in 1.. {
                let played = self.world(&base.and(Second { at, here, waits, other, drop: None, fails }), None);
                if !played.second_came || self.is_enough() {
                    break;
                }
            }
        }
    }

    /// The same, and that one leaves at every point of its own.
    pub(crate) fn seconds_that_leave(&mut self, path: Path) {
        for (here, waits, other) in seconds(path) {
            for at in 1.. {
                let second = Second { at, here, waits, other, drop: None, fails: false };
                let mut came = false;
                for drop in 1.. {
                    let played = self.world(&World::of(path).and(Second { drop: Some(drop), ..second }), None);
                    came |= played.second_came;
                    if !played.second_left || self.is_enough() {
                        break;
                    }
                }
                if !came || self.is_enough() {
                    break;
                }
            }
        }
    }

    /// Everything that can happen, and a second call at every point of that. What happens to verbs happens to those of both.
    pub(crate) fn seconds_in_trouble(&mut self, path: Path) {
        let base = World::of(path);
        for kind in KINDS {
            self.each_point(&base, None, &kind, &mut |every, world| every.seconds(world));
        }
        for (here, waits, other) in seconds(path) {
            for at in 1.. {
                let second = Second { at, here, waits, other, drop: None, fails: false };
                let world = base.and(second);
                if !self.world(&world, None).second_came || self.is_enough() {
                    break;
                }
                self.each_verb(&world, None, &mut |_, _| {});
            }
        }
    }

    /// Two things that happen.
    pub(crate) fn pairs(&mut self, path: Path) {
        self.each_kind(&World::of(path), None, &mut |every, world| every.each_kind(world, None, &mut |_, _| {}));
    }
}

/// Who else comes: to this process or another, patient or not, with the same request or not.
fn seconds(path: Path) -> Vec<(bool, bool, bool)> {
    let mut all = Vec::new();
    for here in [true, false] {
        all.extend([(here, true, false), (here, false, false)]);
        if path.prints {
            all.push((here, true, true));
        }
    }
    all
}
