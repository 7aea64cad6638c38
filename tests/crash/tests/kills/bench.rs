//! Lets a key's story happen, and writes down what everybody was told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use idem_crash_tests::{Effect, World};
use idem_store_tests::{Place, Process, Site};

use crate::calls::name;
use crate::plan::{At, Case, Strike};
use crate::scene::{Blow, Policy};
use crate::victim::Order;

/// Of those who come to grief.
pub(crate) const LEASE: Duration = Duration::from_millis(400);

/// Two processes that live, and where everybody is at work.
pub(crate) struct Bench<'s> {
    site: &'s Site,
    world: World,
    dir: String,
    clerks: [Process; 2],
}

/// Who was told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Victim(usize),
    /// One of those who asked at the same time; in which round.
    Racer(usize),
    /// One that would not wait.
    Impatient,
    /// One that does not say that it must run once.
    Lax,
    /// One that asked when all was over.
    Last,
}

/// What.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Answer {
        kind: String,
        value: String,
        landed: bool,
    },
    Refused(String),
    Stale,
    /// A value, before the store had answered that it is recorded.
    Early,
}

/// What happened to a key.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) key: String,
    pub(crate) victims: Vec<u32>,
    pub(crate) told: Vec<(Who, Told)>,
    pub(crate) rounds: usize,
    pub(crate) effects: Vec<Effect>,
    /// What an operator did.
    pub(crate) mended: Option<&'static str>,
    /// How long the first one waited that asked after a blow.
    pub(crate) waited: Duration,
    pub(crate) record: String,
}

impl Told {
    fn read(line: &str) -> Option<Self> {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        match what {
            "answer" => {
                let words: Vec<&str> = rest.split(' ').collect();
                let landed = words[2] == "Yes";
                if words[2] == "Early" && words[0] == "Executed" {
                    return Some(Self::Early);
                }
                Some(Self::Answer { kind: words[0].into(), value: words[1].into(), landed })
            }
            "refused" => Some(Self::Refused(rest.to_owned())),
            "stale" => Some(Self::Stale),
            _ => None,
        }
    }

    pub(crate) fn is_indeterminate(&self) -> bool {
        matches!(self, Self::Refused(why) if why.starts_with("Indeterminate"))
    }
}

impl<'s> Bench<'s> {
    pub(crate) fn new(site: &'s Site) -> Self {
        let dir = site.effects().with_extension("d");
        let clerks = [clerk(site, &dir.display().to_string()), clerk(site, &dir.display().to_string())];
        Self { site, world: World::new(&dir), dir: dir.display().to_string(), clerks }
    }

    /// An error, if the victim did not come to its point: the store was too slow for its lease, say.
    pub(crate) fn run(&mut self, case: &Case) -> Result<Seen, Box<Seen>> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let key = format!("k{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut seen = Seen { key, ..Seen::default() };
        for (n, strike) in case.strikes.iter().enumerate() {
            if !self.strike(case, n, *strike, &mut seen) {
                return Err(Box::new(seen));
            }
        }
        // It stood still with a lock on the whole file: nobody could be answered.
        let locked = |told: &Told| *told == Told::Refused("Store".into());
        if case.place == Place::Sqlite
            && seen.told.iter().any(|(who, told)| matches!(who, Who::Racer(_)) && locked(told))
        {
            return Err(Box::new(seen));
        }
        self.race(case, &mut seen);
        let unknown = seen.told.last().is_some_and(|(_, told)| told.is_indeterminate());
        if unknown && case.policy == Policy::Once {
            self.mend(&mut seen);
            self.race(case, &mut seen);
        }
        for clerk in 0..2 {
            let last = self.call(case.policy, clerk, &seen, Duration::from_secs(10), 1);
            seen.told.extend(last.map(|told| (Who::Last, told)));
        }
        if case.newcomer {
            let old = std::mem::replace(&mut self.clerks[0], clerk(self.site, &self.dir));
            drop(old);
            let last = self.call(case.policy, 0, &seen, Duration::from_secs(10), 1);
            seen.told.extend(last.map(|told| (Who::Last, told)));
        }
        seen.record = self.clerks[0].ask(format!("inspect {:?} {}", case.policy, seen.key));
        seen.effects = self.world.effects(&seen.key);
        Ok(seen)
    }

    fn strike(&mut self, case: &Case, n: usize, strike: Strike, seen: &mut Seen) -> bool {
        let mut victim = Process::start("victim", self.site);
        seen.victims.push(victim.id());
        let (scene, pace) = match strike.at {
            At::Point(scene) => (Some(scene), Duration::ZERO),
            At::Moment { pace, .. } => (None, pace),
        };
        let (policy, key, world) = (case.policy, seen.key.clone(), self.dir.clone());
        let order = Order { world, policy, key, lease: LEASE, scene, hard: strike.hard, pace, guarded: case.guarded };
        victim.order(order.text());
        let until = if scene.is_some() { "at" } else { "calls" };
        loop {
            match victim.says() {
                Some(line) if line == until => break,
                Some(line) => seen.told.extend(Told::read(&line).map(|told| (Who::Victim(n), told))),
                None => return false,
            }
        }
        if let At::Moment { after, .. } = strike.at {
            sleep(after); // that moment is what is tried
        }
        match strike.blow {
            Blow::Kill => victim.kill(),
            Blow::Stop if scene.is_some() => {
                victim.pause();
                self.race(case, seen);
                victim.order("go");
                victim.resume();
            }
            // At any moment it may have a lock on the whole file, and then nobody is answered before it goes on.
            Blow::Stop => {
                victim.pause();
                self.send(case.policy, seen, 0, Duration::from_secs(10), 2);
                self.send(case.policy, seen, 1, Duration::from_secs(10), 1);
                sleep(LEASE + LEASE / 2);
                victim.try_order("go");
                victim.resume();
                self.hear_race(seen);
            }
            Blow::Sleep => {
                victim.pause();
                sleep(LEASE + LEASE / 5);
                victim.try_order("go");
                victim.resume();
            }
        }
        while let Some(line) = victim.says() {
            seen.told.extend(Told::read(&line).map(|told| (Who::Victim(n), told)));
        }
        true
    }

    /// Three calls in two processes, at once.
    fn race(&mut self, case: &Case, seen: &mut Seen) {
        if case.impatient && seen.rounds == 0 {
            let told = self.call(case.policy, 1, seen, Duration::ZERO, 1).next().unwrap();
            seen.told.push((Who::Impatient, told));
        }
        let began = Instant::now();
        self.send(case.policy, seen, 0, Duration::from_secs(10), 2);
        self.send(case.policy, seen, 1, Duration::from_secs(10), 1);
        self.hear_race(seen);
        seen.waited = seen.waited.max(began.elapsed());
    }

    fn hear_race(&mut self, seen: &mut Seen) {
        for clerk in [0, 0, 1] {
            let told = Told::read(&self.clerks[clerk].says().expect("it lives")).expect("an answer");
            seen.told.push((Who::Racer(seen.rounds), told));
        }
        seen.rounds += 1;
    }

    fn send(&mut self, policy: Policy, seen: &Seen, clerk: usize, wait: Duration, times: usize) {
        self.clerks[clerk].order(format!("call {policy:?} {} {} {times}", seen.key, wait.as_millis()));
    }

    fn call(
        &mut self,
        policy: Policy,
        clerk: usize,
        seen: &Seen,
        wait: Duration,
        times: usize,
    ) -> impl Iterator<Item = Told> {
        self.send(policy, seen, clerk, wait, times);
        let said: Vec<_> = (0..times).map(|_| self.clerks[clerk].says().expect("it lives")).collect();
        said.into_iter().map(|line| Told::read(&line).expect("an answer"))
    }

    /// What an operator does who looks at the world.
    fn mend(&mut self, seen: &mut Seen) {
        let policy = Policy::Once;
        let lax = self.clerks[1].ask(format!("lax {policy:?} {}", seen.key));
        seen.told.push((Who::Lax, Told::read(&lax).expect("an answer")));
        let (order, what) = match self.world.effects(&seen.key).first() {
            Some(effect) => (format!("resolve {policy:?} {} {effect}", seen.key), "resolved"),
            None => (format!("retry {policy:?} {}", seen.key), "retried"),
        };
        assert_eq!(self.clerks[0].ask(order), "true", "there is a record of {}", name(policy));
        seen.mended = Some(what);
    }
}

fn clerk(site: &Site, dir: &str) -> Process {
    // What it takes to begin is nobody's wait for a lease; and a machine that is very busy lets some fail in it.
    let begin = |_| {
        let mut clerk = Process::start("clerk", site);
        clerk.order(dir);
        (clerk.says().as_deref() == Some("ready")).then_some(clerk)
    };
    (0..5).find_map(begin).expect("one of them begins")
}
