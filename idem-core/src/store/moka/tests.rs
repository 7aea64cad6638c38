use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::done::Kept;
use super::*;
use crate::clock::Timestamp;
use crate::record::Completion;
use crate::transition::Ending;

const LEASE: Duration = Duration::from_secs(15);
const TTL: Duration = Duration::from_secs(60);

#[derive(Debug, Default, Clone)]
pub(super) struct Hand(Arc<AtomicU64>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

impl Hand {
    pub(super) fn step(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as u64, Ordering::SeqCst);
    }
}

fn key(n: usize) -> Key {
    Key::new("", "op", &n).expect("a valid key")
}

fn claim(ttl: Duration) -> Claim {
    Claim::new(Owner::random(), LEASE, ttl)
}

fn complete(store: &MokaStore, n: usize, ttl: Duration) {
    let claim = claim(ttl);
    assert!(matches!(store.apply(&key(n), &claim), Ok(Claimed::Granted(_))));
    let ending = Ending::Completed(Completion::Unreplayable);
    assert_eq!(store.apply(&key(n), &Finish::new(claim.owner, ending)), Ok(Ownership::Held));
}

#[test]
fn of_many_claims_at_once_one_is_granted() {
    const RIVALS: usize = 8;
    let (store, start) = (MokaStore::new(), Barrier::new(RIVALS));
    for n in 0..500 {
        let granted = std::thread::scope(|scope| {
            let rivals: Vec<_> = (0..RIVALS)
                .map(|_| {
                    scope.spawn(|| {
                        let claim = claim(TTL);
                        start.wait();
                        matches!(store.apply(&key(n), &claim), Ok(Claimed::Granted(_)))
                    })
                })
                .collect();
            rivals.into_iter().filter_map(|rival| rival.join().ok()).filter(|granted| *granted).count()
        });
        assert_eq!(granted, 1);
    }
}

#[test]
fn nothing_unexpired_is_ever_evicted() {
    let store = MokaStore::new();
    (0..20_000).for_each(|n| complete(&store, n, TTL));
    store.inner.done.run_pending_tasks();
    assert!((0..20_000).all(|n| store.peek(&key(n)).is_some()));
}

#[test]
fn expired_results_give_their_memory_back() {
    let store = MokaStore::new();
    (0..1_000).for_each(|n| complete(&store, n, Duration::from_millis(1)));
    // moka counts real time; that it comes to an end is the test, not when.
    let patience = Instant::now() + Duration::from_secs(60);
    while store.inner.done.entry_count() > 0 {
        assert!(Instant::now() < patience, "{} are left", store.inner.done.entry_count());
        store.inner.done.run_pending_tasks();
        std::thread::yield_now();
    }
    let found = || store.inner.open.each().map(|open| open.len()).sum::<usize>();
    assert!(found() > 0, "where they lay is not forgotten one by one");
    // moka lets go of the last of them as it goes on.
    while found() > 0 {
        assert!(Instant::now() < patience, "{} are left", found());
        store.take_back(usize::MAX);
        store.inner.done.run_pending_tasks();
    }
}

#[test]
fn where_records_lay_is_forgotten_as_others_come() {
    let mut kept = Kept::default();
    let done = |n: usize| {
        let record = Record::new(State::Failed, Owner::random(), Timestamp::from_micros(n as u64));
        Done::new(&key(n), record)
    };
    let still: Vec<_> = (0..10).map(done).collect();
    still.iter().for_each(|done| kept.insert(done));
    (10..10_000).for_each(|n| kept.insert(&done(n)));
    assert!(kept.len() <= 2 * 11 + 17, "{}", kept.len());
    assert!(still.iter().all(|done| kept.get(&done.key).is_some_and(|found| Arc::ptr_eq(&found, done))));
    assert!(kept.get(&key(10)).is_none());
    kept.remove(&key(1));
    assert!(kept.get(&key(1)).is_none() && kept.get(&key(2)).is_some());
}

#[test]
fn a_key_that_is_done_again_and_again_lies_in_one_place() {
    let mut kept = Kept::default();
    let others: Vec<_> = (1..1_000)
        .map(|n| Done::new(&key(n), Record::new(State::Failed, Owner::random(), Timestamp::from_micros(1))))
        .collect();
    others.iter().for_each(|done| kept.insert(done));
    for _ in 0..100 {
        kept.insert(&Done::new(&key(0), Record::new(State::Failed, Owner::random(), Timestamp::from_micros(1))));
    }
    assert_eq!(kept.len(), others.len() + 1);
}

#[test]
fn keys_of_one_hash_have_records_of_their_own() {
    let store = MokaStore::new();
    let (one, other) = (key(1), key(2).with_hash_of(&key(1)));
    let done = |key: &Key| store.peek(key).is_some();
    let complete = |key: &Key| {
        let claim = claim(TTL);
        assert!(matches!(store.apply(key, &claim), Ok(Claimed::Granted(_))));
        let ending = Ending::Completed(Completion::Unreplayable);
        assert_eq!(store.apply(key, &Finish::new(claim.owner, ending)), Ok(Ownership::Held));
    };
    complete(&one);
    assert!(done(&one) && !done(&other));
    complete(&other);
    assert!(done(&one) && done(&other));
    let found = store.inner.open.lock(&one).done.get(&one).expect("it is done");
    let forgotten = Settle::new(&found.record, Owner::random(), crate::transition::Settlement::Forgotten);
    assert_eq!(store.apply(&one, forgotten), Ok(Settled::Applied));
    assert!(!done(&one) && done(&other));
}

/// Where others are at the lock, moka is asked, and says the same.
#[test]
fn what_is_done_is_seen_beside_those_who_write() {
    let store = MokaStore::new();
    complete(&store, 1, TTL);
    let seen = |n| {
        let free = store.peek(&key(n)).map(|completed| completed.completion);
        let _taken = store.inner.open.lock(&key(n));
        assert_eq!(store.peek(&key(n)).map(|completed| completed.completion), free);
        free.is_some()
    };
    assert!(seen(1) && !seen(2));
    let done = store.inner.open.lock(&key(1)).done.get(&key(1)).expect("it is done");
    let settle = Settle::new(&done.record, Owner::random(), crate::transition::Settlement::Failed);
    assert_eq!(store.apply(&key(1), settle), Ok(Settled::Applied));
    assert!(!seen(1), "what an operator has undone");
}

#[test]
fn expired_open_records_give_their_memory_back() {
    let clock = Hand::default();
    let store = MokaStore::with_clock(clock.clone());
    let hour = |n: usize| (n as u64) * 3_600_000_000;
    for n in 0..20_000 {
        clock.0.store(hour(n), Ordering::SeqCst);
        store.apply(&key(n), &claim(TTL)).expect("no limits");
    }
    let left: usize = (0..20_000).map(|n| store.inner.open.lock(&key(n)).len()).max().unwrap_or_default();
    assert!((1..=18).contains(&left), "at the most what one share holds between two looks: {left}");
}

#[tokio::test(start_paused = true)]
async fn the_default_clock_is_tokios_while_that_is_paused() {
    let store = MokaStore::new();
    complete(&store, 1, TTL);
    tokio::time::advance(TTL - Duration::from_secs(1)).await;
    assert!(store.peek(&key(1)).is_some());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(store.peek(&key(1)).is_none());
    assert!(matches!(store.apply(&key(1), &claim(TTL)), Ok(Claimed::Granted(_))));
}
