#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::collections::HashMap;
use std::time::Instant;

use idem_core::{transition, Change, Completion, Ending, Fingerprint, Finish, MokaStore, Payload, Renew, Step, Verb};
use tokio::time::sleep;

use super::*;
use crate::{Clock as TestClock, Fault, Faulty, Verb as Asks};

const LEASE: Duration = Duration::from_millis(100);
const TTL: Duration = Duration::from_secs(60);
const SKEW: Duration = Duration::from_millis(1);

fn key(n: u64) -> Key {
    Key::new("", "test", &n).expect("a key")
}

fn claim() -> Claim {
    Claim::new(Owner::random(), LEASE, TTL)
}

fn done(n: u64) -> Ending {
    Ending::Completed(Completion::Result(Payload::from_bytes(n.to_be_bytes().to_vec())))
}

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    EndsForAnybody,
    RenewsForAnybody,
    Forgets,
    GrantsTooEarly,
    CheckThenAct,
    LosesAcknowledged,
    AttemptsAnew,
    FencesAnew,
    StaleReads,
}

/// A store that makes a mistake now and then.
#[derive(Debug)]
struct Odd {
    wrong: Wrong,
    clock: TestClock,
    records: Mutex<HashMap<Key, Record>>,
    before: Mutex<HashMap<Key, Record>>,
}

impl Odd {
    fn new(wrong: Wrong, clock: TestClock) -> Arc<Self> {
        Arc::new(Self { wrong, clock, records: Mutex::default(), before: Mutex::default() })
    }

    async fn apply<V: Verb>(&self, key: &Key, verb: V, owner: Option<Owner>) -> V::Answer {
        sleep(Duration::from_micros(300)).await;
        let mut found = self.records.lock().unwrap().get(key).cloned();
        if self.wrong == Wrong::CheckThenAct {
            sleep(Duration::from_micros(300)).await;
        }
        let mut now = self.clock.now();
        if let (Some(record), Some(owner)) = (&mut found, owner) {
            record.owner = owner;
        }
        if self.wrong == Wrong::GrantsTooEarly {
            now = now.after(Duration::from_millis(15));
        }
        let fence = found.as_ref().map_or(0, |record| record.fence);
        let (change, answer) = transition(found.as_ref(), verb, now);
        if let Change::Write(mut record) = change {
            match self.wrong {
                Wrong::Forgets if record.fence % 16 == 0 => {}
                Wrong::LosesAcknowledged if matches!(record.state, idem_core::State::Completed(_)) => {}
                _ => {
                    if self.wrong == Wrong::AttemptsAnew && record.attempt > 2 {
                        record.attempt = 1;
                    }
                    if self.wrong == Wrong::FencesAnew && fence > 0 {
                        record.fence = 1;
                    }
                    let old = self.records.lock().unwrap().insert(key.clone(), record);
                    self.before.lock().unwrap().extend(old.map(|old| (key.clone(), old)));
                }
            }
        }
        sleep(Duration::from_micros(300)).await;
        answer
    }
}

#[async_trait]
impl Store for Odd {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        Ok(self.apply(key, claim, None).await)
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        Ok(self.apply(key, Renew::new(owner), (self.wrong == Wrong::RenewsForAnybody).then_some(owner)).await)
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        let whose = (self.wrong == Wrong::EndsForAnybody).then_some(finish.owner);
        Ok(self.apply(key, finish, whose).await)
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        sleep(Duration::from_micros(300)).await;
        let from = if self.wrong == Wrong::StaleReads { &self.before } else { &self.records };
        Ok(from.lock().unwrap().get(key).filter(|record| !record.is_expired(self.clock.now())).cloned())
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        Ok(self.apply(key, settle.clone(), None).await)
    }

    async fn save_step(&self, key: &Key, save: &SaveStep) -> Result<Ownership, StoreError> {
        Ok(self.apply(key, save, None).await)
    }
}

/// Some clients at work on some keys, for some rounds, each in an order of its own.
async fn work(history: &History, store: Arc<dyn Store>, clients: u64, keys: u64, rounds: u64, trouble: bool) {
    let mut tasks = Vec::new();
    for client in 0..clients {
        let faulty = Faulty::new(store.clone());
        let store = history.store(&format!("c{client}"), faulty.clone());
        tasks.push(tokio::spawn(async move {
            let mut dice = client * 7919 + 17;
            let mut roll = move |sides: u64| {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (dice >> 33) % sides
            };
            let mut former: Vec<(Key, Owner)> = Vec::new();
            for round in 0..rounds {
                if trouble {
                    let what = [Fault::None, Fault::Lost(1), Fault::NotApplied(1), Fault::Late(LEASE / 3)];
                    let verb = [Asks::Claim, Asks::Renew, Asks::Finish][roll(3) as usize];
                    faulty.fault(verb, what[roll(4) as usize].clone());
                }
                let key = key(roll(keys));
                let print = [None, Some(Fingerprint::of("a").unwrap()), Some(Fingerprint::of("b").unwrap())];
                let claim = claim().fingerprint(print[roll(8).min(2) as usize / 2]).at_most_once(roll(20) == 0);
                let mut answer = store.claim(&key, &claim).await;
                if answer.is_err() {
                    answer = store.claim(&key, &claim).await;
                }
                if let Ok(Claimed::Granted(_)) | Err(_) = answer {
                    former.push((key.clone(), claim.owner));
                    if roll(4) == 0 {
                        let step = Step::new("s", Payload::from_bytes(&b"x"[..]));
                        let _ = store.save_step(&key, &SaveStep::new(claim.owner, 0, step)).await;
                    }
                    for _ in 0..roll(3) {
                        sleep(LEASE.mul_f64(roll(100) as f64 / 150.0)).await;
                        let _ = store.renew(&key, claim.owner).await;
                    }
                    let ending = match roll(6) {
                        0 => Ending::Failed,
                        1 => Ending::Unknown,
                        2 => Ending::Withdrawn,
                        3 => continue,
                        _ => done(client * 1000 + round),
                    };
                    let _ = store.finish(&key, &Finish::new(claim.owner, ending)).await;
                } else {
                    sleep(LEASE.mul_f64(roll(100) as f64 / 100.0)).await;
                    let (key, owner) = &former[roll(former.len().max(1) as u64) as usize % former.len().max(1)..]
                        .first()
                        .cloned()
                        .unwrap_or((key, claim.owner));
                    match roll(3) {
                        0 => drop(store.finish(key, &Finish::new(*owner, done(9))).await),
                        1 => drop(store.renew(key, *owner).await),
                        _ => {
                            if let Ok(Some(record)) = store.load(key).await {
                                let word = idem_core::Settlement::Forgotten;
                                if roll(3) == 0 {
                                    let _ = store.settle(key, &Settle::new(&record, Owner::random(), word)).await;
                                }
                            }
                        }
                    }
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn honest_stores_pass_also_in_trouble() {
    for trouble in [false, true] {
        let clock = TestClock::new();
        let stores: [Arc<dyn Store>; 2] =
            [Arc::new(MokaStore::builder().clock(clock.clone()).build()), Odd::new(Wrong::Nothing, clock.clone())];
        for store in stores {
            let history = History::with_clock(clock.clone());
            work(&history, store, 8, 20, 60, trouble).await;
            let checked = history.check(SKEW).unwrap_or_else(|contradiction| panic!("{contradiction}"));
            assert!(checked.keys == 20 && checked.answered > 500 && (checked.unknown > 0) == trouble, "{checked:?}");
            assert_eq!(checked.undecided, 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_thousand_verbs_on_a_thousand_keys_take_no_time() {
    let clock = TestClock::new();
    let history = History::with_clock(clock.clone());
    work(&history, Odd::new(Wrong::Nothing, clock), 8, 1000, 130, true).await;
    let began = Instant::now();
    let checked = history.check(SKEW).unwrap_or_else(|contradiction| panic!("{contradiction}"));
    println!("{checked:?} in {:?}", began.elapsed());
    assert!(checked.answered > 2000 && began.elapsed() < Duration::from_secs(1), "{checked:?} {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn each_mistake_is_found_and_its_key_is_named() {
    let all = [
        Wrong::EndsForAnybody,
        Wrong::RenewsForAnybody,
        Wrong::Forgets,
        Wrong::GrantsTooEarly,
        Wrong::CheckThenAct,
        Wrong::LosesAcknowledged,
        Wrong::AttemptsAnew,
        Wrong::FencesAnew,
        Wrong::StaleReads,
    ];
    for wrong in all {
        for trouble in [false, true] {
            let clock = TestClock::new();
            let history = History::with_clock(clock.clone());
            work(&history, Odd::new(wrong, clock), 8, 6, 100, trouble).await;
            let contradiction = history.check(SKEW).expect_err(&format!("{wrong:?} {trouble}"));
            assert!(contradiction.to_string().starts_with("test "), "{contradiction}");
        }
    }
}

/// A store that answers as it is told.
#[derive(Debug)]
struct Told(Mutex<Vec<Result<Claimed, StoreError>>>);

#[async_trait]
impl Store for Told {
    async fn claim(&self, _: &Key, _: &Claim) -> Result<Claimed, StoreError> {
        sleep(Duration::from_millis(2)).await;
        self.0.lock().unwrap().remove(0)
    }

    async fn renew(&self, _: &Key, _: Owner) -> Result<Ownership, StoreError> {
        sleep(Duration::from_millis(2)).await;
        Ok(Ownership::Held)
    }

    async fn finish(&self, _: &Key, _: &Finish) -> Result<Ownership, StoreError> {
        Err(StoreError::unknown("lost"))
    }

    async fn load(&self, _: &Key) -> Result<Option<Record>, StoreError> {
        Ok(None)
    }
}

struct Story {
    history: History,
    store: Recorded,
}

/// What a claim is answered at such a time.
type Tells = fn(u64) -> Result<Claimed, StoreError>;

impl Story {
    /// What a claim is answered, and after how many milliseconds it is sent.
    async fn of(answers: Vec<(u64, Tells)>, middle: impl Fn(&Claim) -> bool) -> Self {
        let clock = TestClock::new();
        let history = History::with_clock(clock.clone());
        let told = Arc::new(Told(Mutex::default()));
        let store = history.store("c", told.clone());
        for (pause, answer) in answers {
            sleep(Duration::from_millis(pause)).await;
            let claim = claim();
            told.0.lock().unwrap().push(answer(clock.now().as_micros() + 1000));
            let _ = store.claim(&key(1), &claim).await;
            if middle(&claim) {
                let _ = store.finish(&key(1), &Finish::new(claim.owner, done(1))).await;
            }
        }
        Self { history, store }
    }

    fn holds(&self) -> bool {
        self.history.check(SKEW).is_ok()
    }
}

fn granted(now: u64) -> Result<Claimed, StoreError> {
    Ok(Claimed::Granted(idem_core::Grant::new(now, 1, None, false)))
}

fn taken_over(now: u64) -> Result<Claimed, StoreError> {
    Ok(Claimed::Granted(idem_core::Grant::new(now, 2, None, true)))
}

fn running(_: u64) -> Result<Claimed, StoreError> {
    Ok(Claimed::running(Duration::from_millis(50), Duration::from_millis(50), None))
}

fn completed(_: u64) -> Result<Claimed, StoreError> {
    let Ending::Completed(completion) = done(1) else { panic!("it is") };
    Ok(Claimed::Completed(Completed::new(None, completion, TTL - Duration::from_millis(10))))
}

fn lost(_: u64) -> Result<Claimed, StoreError> {
    Err(StoreError::unknown("lost"))
}

fn not_applied(_: u64) -> Result<Claimed, StoreError> {
    Err(StoreError::not_applied("no"))
}

#[tokio::test(start_paused = true)]
async fn a_lost_verb_may_have_been_applied_or_not_and_one_that_was_not_has_not() {
    let no = |_: &Claim| false;
    let yes = |_: &Claim| true;
    // A claim whose answer was lost explains who has the key, and need not.
    assert!(Story::of(vec![(0, lost), (48, running)], no).await.holds());
    assert!(Story::of(vec![(0, lost), (48, granted)], no).await.holds());
    assert!(!Story::of(vec![(0, not_applied), (48, running)], no).await.holds());
    // An ending whose answer was lost explains a result, and need not.
    assert!(Story::of(vec![(0, granted), (8, completed)], yes).await.holds());
    assert!(!Story::of(vec![(0, granted), (8, completed)], no).await.holds());
    assert!(Story::of(vec![(0, granted), (48, running)], yes).await.holds());
    // Not before its lease is over.
    assert!(Story::of(vec![(0, granted), (99, taken_over)], no).await.holds());
    assert!(!Story::of(vec![(0, granted), (90, taken_over)], no).await.holds());
    assert!(!Story::of(vec![(0, granted), (99, granted)], no).await.holds(), "it is the second attempt");
    // Not for longer than its lease, nor with another fence than the time.
    assert!(!Story::of(vec![(0, granted), (20, running)], no).await.holds());
    assert!(!Story::of(vec![(0, |now| granted(now + 10_000))], no).await.holds());
}

#[tokio::test(start_paused = true)]
async fn the_shortest_beginning_that_cannot_be_is_told_for_people() {
    let answers: Vec<(u64, Tells)> = vec![(0, granted), (48, running), (0, taken_over), (1, granted), (5, granted)];
    let story = Story::of(answers, |_| false).await;
    story.store.load(&key(2)).await.unwrap();
    let told = story.history.check(SKEW).unwrap_err();
    assert_eq!(told.key, key(1));
    let text = told.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert_eq!(lines[0], "test 1: no order explains these answers (from, to in ms)");
    assert_eq!(lines[1].split("→").next(), Some("     0.000      2.000  c: claim #1 - false false 100000 60000000 "));
    assert!(lines[3].contains("claim #3") && lines[3].contains(" 2 - true -"), "{text}");
}

#[tokio::test]
async fn a_file_is_read_back_as_it_was() {
    let path = std::env::temp_dir().join(format!("idem-history-{}", std::process::id()));
    let history = History::in_file(&path).unwrap();
    let clock = TestClock::new();
    work(&history, Arc::new(MokaStore::builder().clock(clock).build()), 4, 5, 10, true).await;
    let key = key(100);
    let store = history.store("name with spaces", MokaStore::new());
    let claim = claim();
    for ending in [Ending::Failed, Ending::Withdrawn, Ending::Unknown, Ending::Completed(Completion::Unreplayable)] {
        let _ = store.claim(&key, &claim).await;
        let _ = store.finish(&key, &Finish::new(claim.owner, ending)).await;
    }
    for word in ["a", "b", "c"] {
        let Some(record) = store.load(&key).await.unwrap() else { continue };
        let word = match word {
            "a" => idem_core::Settlement::Completed(Completion::Unreplayable),
            "b" => idem_core::Settlement::Failed,
            _ => idem_core::Settlement::Forgotten,
        };
        store.settle(&key, &Settle::new(&record, Owner::random(), word)).await.unwrap();
    }
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"? 12").unwrap();
    let back = History::read([&path]).unwrap();
    let show = |history: &History| format!("{:?}", history.notes().ops);
    assert_eq!(show(&history), show(&back));
    file.write_all(
        b"
",
    )
    .unwrap();
    assert!(History::read([&path]).is_err(), "a whole line that is none");
    std::fs::remove_file(&path).unwrap();
}
