use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use tokio::time::advance;

use super::limits::size;
use super::*;
use crate::clock::Timestamp;
use crate::record::{Completion, Payload};
use crate::transition::{Ending, Settlement};

const TTL: Duration = Duration::from_secs(60);

fn key(n: usize) -> Key {
    Key::new("", "op", &n).expect("a valid key")
}

fn claim(store: &MokaStore, key: &Key, ttl: Duration) -> Result<Owner, FullError> {
    let claim = Claim::new(Owner::random(), TTL, ttl);
    match store.apply(key, &claim)? {
        Claimed::Granted(_) => Ok(claim.owner),
        other => panic!("{other:?}"),
    }
}

fn finish(store: &MokaStore, key: &Key, owner: Owner, bytes: usize) -> Result<Ownership, FullError> {
    let result = Completion::Result(Payload::from_bytes(vec![0; bytes]));
    store.apply(key, &Finish::new(owner, Ending::Completed(result)))
}

fn complete(store: &MokaStore, n: usize) -> Result<Ownership, FullError> {
    finish(store, &key(n), claim(store, &key(n), TTL)?, 10)
}

fn settle(store: &MokaStore, key: &Key, settlement: Settlement) {
    let done = store.inner.completed.get(key).expect("a completed record");
    assert_eq!(store.apply(key, Settle::new(&done.record, Owner::random(), settlement)), Ok(Settled::Applied));
}

fn is_done(store: &MokaStore, n: usize) -> bool {
    store.peek(&key(n)).is_some()
}

fn used(store: &MokaStore) -> (u64, u64) {
    store.inner.completed.run_pending_tasks();
    let limits = store.limits().expect("limits");
    assert!(limits.oldest.len() as u64 <= limits.records);
    (limits.records, limits.bytes)
}

#[test]
fn of_many_claims_at_once_one_is_granted() {
    let (store, start) = (MokaStore::new(), Barrier::new(8));
    for n in 0..500 {
        let claim_key = || {
            start.wait();
            let claim = Claim::new(Owner::random(), TTL, TTL);
            u32::from(matches!(store.apply(&key(n), &claim), Ok(Claimed::Granted(_))))
        };
        let granted: u32 = std::thread::scope(|scope| {
            let rivals: Vec<_> = (0..8).map(|_| scope.spawn(claim_key)).collect();
            rivals.into_iter().map(|rival| rival.join().expect("no panic")).sum()
        });
        assert_eq!(granted, 1);
    }
}

#[test]
fn no_unexpired_record_is_evicted() {
    let store = MokaStore::new();
    (0..20_000).for_each(|n| assert!(complete(&store, n).is_ok()));
    store.inner.completed.run_pending_tasks();
    assert!((0..20_000).all(|n| is_done(&store, n)));
}

#[test]
fn expired_results_free_their_memory() {
    let store = MokaStore::builder().max_records(10_000).when_full(WhenFull::ForgetOldest).build();
    for n in 0..1_000 {
        let owner = claim(&store, &key(n), Duration::from_millis(1)).expect("room");
        assert_eq!(finish(&store, &key(n), owner, 10), Ok(Ownership::Held));
    }
    // moka counts real time. The test is that the records go, not when.
    let deadline = Instant::now() + Duration::from_secs(60);
    while used(&store) != (0, 0) {
        assert!(Instant::now() < deadline, "{:?} are left", used(&store));
        store.purge(usize::MAX);
    }
    assert_eq!((store.inner.completed.entry_count(), store.forgotten()), (0, 0));
}

#[test]
fn keys_of_one_hash_have_records_of_their_own() {
    let store = MokaStore::new();
    let (one, other) = (key(1), key(2).with_hash_of(&key(1)));
    let complete = |key| finish(&store, key, claim(&store, key, TTL).expect("no limits"), 10).expect("no limits");
    complete(&one);
    assert!(store.peek(&one).is_some() && store.peek(&other).is_none());
    complete(&other);
    assert!(store.peek(&one).is_some() && store.peek(&other).is_some());
    settle(&store, &one, Settlement::Forgotten);
    assert!(store.peek(&one).is_none() && store.peek(&other).is_some());
}

/// A reader that runs beside the operator may see the result until the operator's call returns, and never after.
#[test]
fn peek_waits_for_no_lock_and_shows_no_undone_result() {
    let store = MokaStore::new();
    for (n, settlement) in [Settlement::Failed, Settlement::Forgotten].into_iter().cycle().take(100).enumerate() {
        complete(&store, n).expect("no limits");
        let locked = store.inner.open.lock(&key(n));
        assert!(is_done(&store, n));
        drop(locked);
        let undone = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| loop {
                let is_over = undone.load(Ordering::SeqCst);
                assert!(!(is_done(&store, n) && is_over), "an undone result is replayed");
                if is_over {
                    break;
                }
            });
            settle(&store, &key(n), settlement);
            undone.store(true, Ordering::SeqCst);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn expired_open_records_free_their_memory() {
    let store = MokaStore::builder().max_records(1_000_000).build();
    for n in 0..20_000 {
        claim(&store, &key(n), TTL).expect("room");
        advance(TTL * 2).await;
    }
    let largest = store.inner.open.each().map(|open| open.len()).max();
    assert!(largest.is_some_and(|records| (1..=14).contains(&records)), "{largest:?}");
    assert!(used(&store).0 <= 64 * 14, "{:?}", used(&store));
}

#[tokio::test(start_paused = true)]
async fn the_default_clock_follows_tokios_paused_clock() {
    let store = MokaStore::new();
    complete(&store, 1).expect("room");
    advance(TTL - Duration::from_secs(1)).await;
    assert!(is_done(&store, 1));
    advance(Duration::from_secs(1)).await;
    assert!(!is_done(&store, 1));
    claim(&store, &key(1), TTL).expect("an expired key is granted");
}

#[tokio::test(start_paused = true)]
async fn a_full_store_refuses_new_keys_and_serves_known_ones() {
    let store = MokaStore::builder().max_records(3).build();
    let running = claim(&store, &key(0), TTL).expect("room");
    complete(&store, 1).expect("room");
    let failed = claim(&store, &key(2), TTL).expect("room");
    store.apply(&key(2), &Finish::new(failed, Ending::Failed)).expect("room");
    assert_eq!(claim(&store, &key(3), TTL).expect_err("full").records, 3);
    let may_scan = |now| store.limits().expect("limits").may_scan(now);
    assert!(!may_scan(store.inner.clock.now()), "a refused call has just scanned");
    assert_eq!(finish(&store, &key(0), running, 10), Ok(Ownership::Held));
    complete(&store, 2).expect("its key is known");
    assert!((0..3).all(|n| is_done(&store, n)));
    assert_eq!((store.forgotten(), used(&store).0), (0, 3));
    advance(TTL).await;
    complete(&store, 3).expect("expired records make room");
    assert_eq!(used(&store).0, 1);
    assert!(may_scan(Timestamp::from_micros(0)), "even if the clock was set back");
}

#[test]
fn bytes_are_counted_and_freed() {
    let store = MokaStore::builder().max_bytes(10_000).build();
    let owner = claim(&store, &key(0), TTL).expect("room");
    let one = store.inner.open.lock(&key(0)).get(&key(0)).map(|record| size(&key(0), record)).expect("open");
    assert_eq!(used(&store), (1, one));
    assert_eq!(finish(&store, &key(0), owner, 10_000).expect_err("too large").bytes, one);
    let unreplayable = Finish::new(owner, Ending::Completed(Completion::Unreplayable));
    assert_eq!(store.apply(&key(0), &unreplayable), Ok(Ownership::Held), "a completion is never refused");
    let other = claim(&store, &key(1), TTL).expect("room");
    assert_eq!(finish(&store, &key(1), other, 5_000), Ok(Ownership::Held));
    assert_eq!(used(&store), (2, 2 * one + 5_000));
    settle(&store, &key(1), Settlement::Forgotten);
    assert_eq!(used(&store), (2, 2 * one), "the fence stays");
}

#[test]
fn forget_oldest_forgets_completed_records_in_order() {
    let store = MokaStore::builder().max_records(5).when_full(WhenFull::ForgetOldest).build();
    let running = claim(&store, &key(100), TTL).expect("room");
    (0..5).for_each(|n| assert!(complete(&store, n).is_ok()));
    assert!(!is_done(&store, 0) && (1..5).all(|n| is_done(&store, n)));
    assert_eq!(finish(&store, &key(100), running, 10), Ok(Ownership::Held), "a claim is never forgotten");
    (10..110).filter(|n| *n != 100).for_each(|n| assert!(complete(&store, n).is_ok()));
    assert_eq!((store.forgotten(), used(&store).0), (100, 5));
}

#[test]
fn forget_oldest_forgets_no_claim() {
    let store = MokaStore::builder().max_records(2).when_full(WhenFull::ForgetOldest).build();
    (0..2).for_each(|n| assert!(claim(&store, &key(n), TTL).is_ok()));
    claim(&store, &key(2), TTL).expect_err("full");
    assert_eq!(store.forgotten(), 0);
}

#[test]
fn forget_oldest_makes_room_for_a_large_result() {
    let store = MokaStore::builder().max_bytes(5_000).when_full(WhenFull::ForgetOldest).build();
    (0..5).for_each(|n| assert!(complete(&store, n).is_ok()));
    let owner = claim(&store, &key(9), TTL).expect("room");
    assert_eq!(finish(&store, &key(9), owner, 3_000), Ok(Ownership::Held));
    assert!(is_done(&store, 9) && used(&store).1 <= 5_000 && store.forgotten() >= 2);
    finish(&store, &key(9), owner, 9_000).map(drop).expect("a repeated finish writes nothing");
    let owner = claim(&store, &key(10), TTL).expect("room is made");
    let (forgotten, records) = (store.forgotten(), used(&store).0);
    finish(&store, &key(10), owner, 9_000).expect_err("larger than the store");
    assert_eq!((store.forgotten(), used(&store).0), (forgotten, records), "forgotten in vain");
}
