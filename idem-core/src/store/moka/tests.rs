use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Barrier;
use std::time::{Duration, Instant};

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
    assert_eq!(store.apply(&key(n), &Finish::new(claim.owner, ending)), Ok(Held::Held));
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
