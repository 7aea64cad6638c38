//! Random walks: whatever is asked of a store, by whomever and at whatever time its clock shows, it answers as `transition`
//! does, and holds what that says.
//!
//! Ten seconds a store; `IDEM_WALK_SECONDS=600` walks longer, `IDEM_WALK_SEED=n` begins elsewhere. A failure names its walk's
//! seed.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)] // a test

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use idem::{
    transition, Change, Claim, Claimed, Completion, Ending, Fingerprint, Finish, Key, List, Owner, Payload, Record,
    Renew, SaveStep, Settle, Settlement, State, Step, Store, Timestamp, Verb,
};
use idem_postgres::PgStore;
use idem_redis::RedisStore;
use idem_sqlite::SqliteStore;
use idem_test_servers::{Postgres, Redis};

const START: u64 = 1_700_000_000_000_000;
const SECOND: u64 = 1_000_000;
const OWNERS: usize = 3;
/// What clients may send.
const TEXTS: [&str; 12] = [
    "",
    "o-1",
    "\0",
    "it's \"quoted\" \\ $1 {now} %s",
    "*?[a-z]^\\*",
    "{slot}",
    "名前 🦀",
    "\u{feff}\u{202e}",
    " = \n\r\t",
    "idem1 completed owner=",
    "-- ; DROP TABLE idem.records",
    "$idem$",
];

/// How a store forgets a record whose retention is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forgets {
    /// By itself, a second later.
    BySelf,
    /// When it is swept.
    Swept,
    /// When it is swept, but for the highest fence of all.
    SweptButForTheFence,
}

/// xorshift64*, so that a walk can be walked again.
struct Dice(u64);

impl Dice {
    fn of(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            dice.roll(2);
        }
        dice
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    fn of_many<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len() as u64) as usize]
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    fn bytes(&mut self) -> Vec<u8> {
        match self.roll(8) {
            0 => Vec::new(),
            1 => b"idem1 completed owner=00 expires=1 steps=9:9\n".to_vec(),
            2 => b"\n\0\x01\x01\x00{\"id\":1}".to_vec(),
            3 if self.one_in(10) => vec![0xff; 1024 * 1024 + 3],
            _ => (0..self.roll(300)).map(|_| self.roll(256) as u8).collect(),
        }
    }

    fn text(&mut self) -> String {
        let (one, other) = (self.of_many(&TEXTS), self.of_many(&TEXTS));
        format!("{one}{other}")
    }
}

/// The store, and who turns its clock.
struct Place {
    store: Arc<dyn Store>,
    set: Box<dyn Fn(u64) + Send + Sync>,
    forgets: Forgets,
}

/// One key's life, as it should be.
struct Walk<'a> {
    place: &'a Place,
    key: Key,
    prefix: Vec<u8>,
    dice: Dice,
    now: u64,
    /// What the store may hold: one thing, but where only it knows whether it has deleted yet.
    worlds: Vec<Option<Record>>,
    owners: [Owner; OWNERS],
    looked_at: Vec<Record>,
    highest_fence: u64,
    /// How far the clock was set back, all in all.
    set_back: u64,
    shortest_ttl: u64,
    /// How far the clock is set back at once, more or less.
    farthest_back: u64,
    history: Vec<String>,
    verbs: u64,
}

/// Alive, as far as `load` shows it.
fn alive(record: Option<&Record>, now: Timestamp) -> Option<&Record> {
    record.filter(|record| !record.is_expired(now))
}

impl Walk<'_> {
    fn time(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    fn fail(&self, what: &str) -> ! {
        let history = self.history.iter().rev().take(25).rev().cloned().collect::<Vec<_>>().join("\n");
        panic!("{what}\nnow {}\nworlds {:#?}\n{history}", self.now, self.worlds)
    }

    /// A verb was answered: leaves the worlds in which that is right.
    fn answered<V: Verb + Clone + Debug>(&mut self, verb: V, seen: &V::Answer, fence: Option<u64>)
    where
        V::Answer: PartialEq + Debug + Clone,
    {
        self.verbs += 1;
        self.history.push(format!("{} {verb:?} -> {seen:?}", self.now));
        let (now, forgets) = (self.time(), self.place.forgets);
        let mut right = Vec::new();
        let worlds: Vec<_> = self
            .worlds
            .iter()
            .filter_map(|world| {
                let (change, answer) = transition(world.as_ref(), verb.clone(), now);
                right.push(format!("{answer:?}"));
                let mut written = match change {
                    Change::Keep => return (answer == *seen).then(|| world.clone()),
                    Change::Write(record) => record,
                };
                // Of a key that the store has forgotten it may know that a fence was higher.
                let may_rise = world.is_none() && forgets == Forgets::SweptButForTheFence;
                if let Some(fence) = fence.filter(|fence| may_rise && *fence >= written.fence) {
                    written.fence = fence;
                    return Some(Some(written));
                }
                (answer == *seen).then_some(Some(written))
            })
            .collect();
        if worlds.is_empty() {
            self.fail(&format!("{verb:?} was answered {seen:?}, and not {right:?}"));
        }
        self.worlds = worlds;
    }

    /// What `load` answers leaves the worlds in which that is so.
    async fn look(&mut self) {
        let seen = self.place.store.load(&self.key).await.unwrap_or_else(|error| self.fail(&format!("{error:?}")));
        let now = self.time();
        let before = self.worlds.clone();
        self.worlds.retain(|world| alive(world.as_ref(), now) == seen.as_ref());
        if self.worlds.is_empty() {
            self.worlds = before;
            self.fail(&format!("the store holds {seen:#?}"));
        }
        self.looked_at.extend(seen);
    }

    async fn list(&mut self) {
        let (mut after, mut listed) = (None, Vec::new());
        loop {
            let list = List::new(self.prefix.clone()).after(after).limit(1 + self.dice.roll(3) as usize);
            let page = self.place.store.list(&list).await.unwrap_or_else(|error| self.fail(&format!("{error:?}")));
            listed.extend(page.records);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let now = self.time();
        let there: Vec<_> =
            listed.iter().map(|listed| (&listed.key, listed.record.as_ref().expect("readable"))).collect();
        let right = self.worlds.iter().any(|world| match alive(world.as_ref(), now) {
            None => there.is_empty(),
            Some(blank) if blank.is_blank() => there.iter().all(|(_, record)| *record == blank),
            Some(record) => !there.is_empty() && there.iter().all(|listed| *listed == (&self.key, record)),
        });
        if !right {
            self.fail(&format!("listed {listed:#?}"));
        }
    }

    async fn sweep(&mut self) {
        if self.place.forgets == Forgets::BySelf {
            return;
        }
        self.place
            .store
            .sweep(1 + self.dice.roll(1000) as usize)
            .await
            .unwrap_or_else(|error| self.fail(&format!("{error:?}")));
        self.history.push(format!("{} sweep", self.now));
        let now = self.time();
        if self.worlds.iter().all(|world| alive(world.as_ref(), now).is_none()) && !self.worlds.contains(&None) {
            self.worlds.push(None);
        }
    }

    /// Turns the clock: mostly to where it matters.
    async fn turn(&mut self) {
        let known = self.worlds.iter().flatten().next().cloned();
        let mut marks = vec![self.now + 1, self.now + self.dice.roll(20 * SECOND)];
        if let Some(record) = known {
            marks.push(record.expires_at.as_micros());
            marks.push(record.expires_at.as_micros() + 2 * SECOND);
            if let State::Running { lease_until, .. } = record.state {
                marks.extend([lease_until.as_micros(), lease_until.as_micros()]);
            }
        }
        // A TTL of a hundred years is not waited for: clocks of stores are not made for many of those.
        marks.retain(|mark| *mark < self.now + 1000 * SECOND);
        let mark = self.dice.of_many(&marks) + self.dice.roll(3);
        let to = match self.dice.roll(8) {
            0 => self.now - self.dice.roll(self.farthest_back),
            1 if self.dice.one_in(4) => self.now - self.dice.roll(30 * self.farthest_back),
            2 => self.now + self.dice.roll(2 * SECOND),
            _ => mark.saturating_sub(1).max(self.now),
        };
        self.set_back += self.now.saturating_sub(to);
        self.now = to;
        (self.place.set)(to);
        self.history.push(format!("{to} is the time"));
        if self.place.forgets == Forgets::BySelf {
            for world in &mut self.worlds {
                if world.as_ref().is_some_and(|record| record.expires_at.as_micros().div_ceil(1000) + 1000 < to / 1000)
                {
                    *world = None;
                }
            }
            // It is looked for, and so it is gone, also if the clock is set back now.
            self.look().await;
        }
    }

    async fn claim(&mut self, owner: Owner) {
        let print = |byte| Some(Fingerprint::from_bytes([byte; 32]));
        let lease = Duration::from_micros(1 + self.dice.of_many(&[10_000, SECOND, 5 * SECOND, 15 * SECOND]));
        let ttl = match self.dice.roll(40) {
            0 => Duration::MAX,
            _ => Duration::from_micros(self.dice.of_many(&[1000, SECOND, 30 * SECOND, 60 * SECOND])),
        };
        self.shortest_ttl = self.shortest_ttl.min(u64::try_from(ttl.as_micros()).unwrap_or(u64::MAX));
        let claim = Claim::new(owner, lease, ttl)
            .fingerprint(self.dice.of_many(&[None, print(1), print(1), print(2)]))
            .at_most_once(self.dice.one_in(5))
            .reconciling(self.dice.one_in(4));
        for _ in 0..=self.dice.roll(2) {
            let seen = self.place.store.claim(&self.key, &claim).await.unwrap_or_else(|e| self.fail(&format!("{e:?}")));
            let fence = match &seen {
                Claimed::Granted(grant) => Some(grant.fence),
                _ => None,
            };
            let same = self.worlds.iter().flatten().any(|record| record.owner == owner);
            self.answered(&claim, &seen, fence);
            if let Some(fence) = fence {
                // Law 6 is not for a clock that is set back past the retention, where nothing else is kept.
                let back = self.set_back >= self.shortest_ttl && self.place.forgets != Forgets::SweptButForTheFence;
                if fence < self.highest_fence + u64::from(!same) && !back {
                    self.fail(&format!("the fence fell from {} to {fence}", self.highest_fence));
                }
                self.highest_fence = self.highest_fence.max(fence);
            }
        }
    }

    async fn step(&mut self) {
        let which = self.dice.roll(OWNERS as u64) as usize;
        if self.dice.one_in(4) {
            self.owners[which] = Owner::random();
        }
        let owner = self.owners[which];
        let store = self.place.store.clone();
        let key = self.key.clone();
        match self.dice.roll(22) {
            0..=6 => self.claim(owner).await,
            7 => {
                let seen = store.renew(&key, owner).await.unwrap_or_else(|e| self.fail(&format!("{e:?}")));
                self.answered(Renew::new(owner), &seen, None);
            }
            8..=11 => {
                let ending = match self.dice.roll(6) {
                    0 => Ending::Completed(Completion::Unreplayable),
                    1 => Ending::Completed(Completion::Result(Payload::from_bytes(self.dice.bytes()))),
                    2 => Ending::Unknown,
                    3 | 4 => Ending::Withdrawn,
                    _ => Ending::Failed,
                };
                let fence = self.worlds.iter().flatten().map(|record| record.fence).max();
                let fence = match self.dice.roll(3) {
                    0 => None,
                    1 => fence,
                    _ => fence.map(|fence| fence - 1),
                };
                let finish = Finish::new(owner, ending).fence(fence);
                for _ in 0..=self.dice.roll(2) {
                    let seen = store.finish(&key, &finish).await.unwrap_or_else(|e| self.fail(&format!("{e:?}")));
                    self.answered(&finish, &seen, None);
                }
            }
            12 | 13 => {
                let count = self.worlds.iter().flatten().map(|record| record.steps.count()).max().unwrap_or(0);
                let index = match self.dice.roll(4) {
                    0 => (count + 1).saturating_sub(self.dice.roll(3) as u32),
                    _ => count,
                };
                let step = Step::new(self.dice.text(), Payload::from_bytes(self.dice.bytes()));
                let save = SaveStep::new(owner, index, step);
                for _ in 0..=self.dice.roll(2) {
                    let seen = store.save_step(&key, &save).await.unwrap_or_else(|e| self.fail(&format!("{e:?}")));
                    self.answered(&save, &seen, None);
                }
            }
            14 | 15 => {
                let Some(record) = self.looked_at.len().checked_sub(1).map(|last| {
                    let back = if self.dice.one_in(3) { self.dice.roll(4) as usize } else { 0 };
                    self.looked_at[last.saturating_sub(back)].clone()
                }) else {
                    return;
                };
                let settlement = match self.dice.roll(4) {
                    0 => Settlement::Completed(Completion::Result(Payload::from_bytes(self.dice.bytes()))),
                    1 => Settlement::Completed(Completion::Unreplayable),
                    2 => Settlement::Failed,
                    _ => Settlement::Forgotten,
                };
                let settle = Settle::new(&record, Owner::random(), settlement);
                for _ in 0..=self.dice.roll(2) {
                    let seen = store.settle(&key, &settle).await.unwrap_or_else(|e| self.fail(&format!("{e:?}")));
                    self.answered(settle.clone(), &seen, None);
                }
                let fences = self.worlds.iter().flatten().map(|record| record.fence);
                self.highest_fence = fences.max().unwrap_or(0).max(self.highest_fence);
            }
            16 => self.list().await,
            17 => self.sweep().await,
            _ => self.turn().await,
        }
        self.look().await;
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

async fn walk(place: Place) {
    let until = Instant::now() + Duration::from_secs(number("IDEM_WALK_SECONDS", 10));
    let first = number("IDEM_WALK_SEED", 1);
    let (mut seed, mut now, mut verbs, mut worlds) = (first, START, 0, 0);
    while Instant::now() < until {
        let mut dice = Dice::of(seed);
        let (namespace, operation) = (dice.text(), format!("{seed}{}", dice.text()));
        let key: Vec<u8> = match dice.roll(6) {
            0 => vec![dice.roll(256) as u8; Key::LIMIT],
            _ => (0..=dice.roll(40))
                .map(|_| dice.of_many(&[0, 10, 13, b'*', b'{', b'}', b'\\', b'\'', 0xff, b'a']))
                .collect(),
        };
        let key = Key::new(&namespace, &operation, &key[..]).expect("a valid key");
        let mut walk = Walk {
            place: &place,
            prefix: Key::prefix(&namespace, &operation),
            key,
            dice,
            now,
            worlds: vec![None],
            owners: [Owner::random(), Owner::random(), Owner::random()],
            looked_at: Vec::new(),
            highest_fence: 0,
            set_back: 0,
            shortest_ttl: u64::MAX,
            farthest_back: [1, 2000, 3 * SECOND][(seed % 3) as usize],
            history: vec![format!("walk {seed}")],
            verbs: 0,
        };
        for _ in 0..60 {
            walk.step().await;
            worlds = worlds.max(walk.worlds.len());
        }
        (now, verbs) = (walk.now, verbs + walk.verbs);
        seed += 1;
    }
    println!("{:?}: {} walks, {verbs} verbs, {worlds} worlds at most", place.forgets, seed - first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn redis() {
    let server = Redis::builder().clock(START).config("appendonly no").start();
    let store = RedisStore::connect(&server.url()).await.expect("a store");
    let set = move |now| server.set_clock(now);
    walk(Place { store: Arc::new(store), set: Box::new(set), forgets: Forgets::BySelf }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn postgres() {
    let server = Postgres::builder().clock(START).config("fsync = off").start();
    let store = PgStore::connect(&server.url()).await.expect("a store");
    let set = move |now| server.set_clock(now);
    walk(Place { store: Arc::new(store), set: Box::new(set), forgets: Forgets::Swept }).await;
}

#[derive(Debug, Clone)]
struct Shown(Arc<AtomicU64>);

impl idem::Clock for Shown {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn sqlite() {
    let dir = std::env::temp_dir().join(format!("idem-walks-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let shown = Shown(Arc::new(AtomicU64::new(START)));
    let store = SqliteStore::builder(dir.join("idem.db")).clock(shown.clone()).open().await.expect("a store");
    let set = move |now| shown.0.store(now, Ordering::SeqCst);
    walk(Place { store: Arc::new(store), set: Box::new(set), forgets: Forgets::SweptButForTheFence }).await;
    std::fs::remove_dir_all(&dir).expect("removed");
}
