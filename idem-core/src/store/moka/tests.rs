use std::time::Duration;

use tokio::time::advance;

use super::*;
use crate::record::{Completion, Payload};
use crate::transition::{Ending, Settlement};

const TTL: Duration = Duration::from_secs(60);

fn key(n: usize) -> Key {
    Key::new("", "op", &n).expect("a valid key")
}

fn claim(store: &MokaStore, key: &Key) -> Result<Owner, FullError> {
    let claim = Claim::new(Owner::random(), TTL, TTL);
    assert!(matches!(store.apply(key, &claim)?, Claimed::Granted(_)));
    Ok(claim.owner)
}

fn finish(store: &MokaStore, key: &Key, owner: Owner, bytes: usize) -> Result<Ownership, FullError> {
    let result = Completion::Result(Payload::from_bytes(vec![0; bytes]));
    store.apply(key, &Finish::new(owner, Ending::Completed(result)))
}

fn complete(store: &MokaStore, key: &Key) -> Result<Ownership, FullError> {
    finish(store, key, claim(store, key)?, 10)
}

fn is_done(store: &MokaStore, n: usize) -> bool {
    store.peek(&key(n)).is_some()
}

fn used(store: &MokaStore) -> (u64, u64) {
    store.limits().map(|limits| limits.used).expect("limits")
}

#[test]
fn no_unexpired_record_is_evicted() {
    let store = MokaStore::new();
    (0..20_000).for_each(|n| assert!(complete(&store, &key(n)).is_ok()));
    assert!((0..20_000).all(|n| is_done(&store, n)));
}

#[tokio::test(start_paused = true)]
async fn expired_records_free_their_memory() {
    let store = MokaStore::builder().max_records(1_000_000).build();
    for n in 0..20_000 {
        let owner = claim(&store, &key(n)).expect("room");
        assert!(n % 2 == 0 || finish(&store, &key(n), owner, 10).is_ok());
        advance(TTL * 2).await;
    }
    store.inner.records.run_pending_tasks();
    let listed: usize = store.inner.expiries.each().map(|expiries| expiries.len()).sum();
    assert_eq!(store.inner.records.entry_count(), listed as u64);
    assert!(listed <= 64 && used(&store).0 == listed as u64, "{listed} {:?}", used(&store));
}

#[tokio::test(start_paused = true)]
async fn the_default_clock_follows_tokios_paused_clock() {
    let store = MokaStore::builder().max_records(100).build();
    (0..5).for_each(|n| assert!(complete(&store, &key(n)).is_ok()));
    advance(TTL - Duration::from_secs(1)).await;
    complete(&store, &key(5)).expect("room");
    assert!(is_done(&store, 1) && is_done(&store, 5));
    assert_eq!(store.sweep(9).await.expect("a sweep"), 0);
    advance(Duration::from_secs(1)).await;
    assert!(!is_done(&store, 1) && is_done(&store, 5));
    let swept = [store.sweep(3).await.expect("a sweep"), store.sweep(3).await.expect("a sweep")];
    assert_eq!((swept, used(&store).0), ([3, 2], 1));
    claim(&store, &key(1)).expect("an expired key is granted");
}

#[tokio::test(start_paused = true)]
async fn a_full_store_refuses_new_keys_and_serves_known_ones() {
    let store = MokaStore::builder().max_records(3).build();
    let running = claim(&store, &key(0)).expect("room");
    complete(&store, &key(1)).expect("room");
    let failed = claim(&store, &key(2)).expect("room");
    store.apply(&key(2), &Finish::new(failed, Ending::Failed)).expect("room");
    assert_eq!(claim(&store, &key(3)).expect_err("full").records, 3);
    assert_eq!(finish(&store, &key(0), running, 10), Ok(Ownership::Held));
    complete(&store, &key(2)).expect("its key is known");
    assert!((0..3).all(|n| is_done(&store, n)));
    advance(TTL).await;
    complete(&store, &key(3)).expect("expired records make room");
    assert_eq!((store.forgotten(), used(&store).0), (0, 1));
}

#[test]
fn bytes_are_counted_and_freed() {
    let store = MokaStore::builder().max_bytes(10_000).build();
    let owner = claim(&store, &key(0)).expect("room");
    let (_, one) = used(&store);
    assert!((512..600).contains(&one), "{one}");
    assert_eq!(finish(&store, &key(0), owner, 10_000).expect_err("too large").bytes, one);
    let unreplayable = Finish::new(owner, Ending::Completed(Completion::Unreplayable));
    assert_eq!(store.apply(&key(0), &unreplayable), Ok(Ownership::Held), "a completion is never refused");
    let other = claim(&store, &key(1)).expect("room");
    assert_eq!(finish(&store, &key(1), other, 5_000), Ok(Ownership::Held));
    assert_eq!(used(&store), (2, 2 * one + 5_000));
    let record = store.inner.records.get(&key(1)).map(|stored| stored.record.clone()).expect("completed");
    let forget = Settle::new(&record, Owner::random(), Settlement::Forgotten);
    assert_eq!(store.apply(&key(1), forget), Ok(Settled::Applied));
    assert_eq!(used(&store), (1, one), "a fence counts as nothing");
}

#[test]
fn forget_oldest_forgets_completed_records_in_order() {
    let store = MokaStore::builder().max_records(5).when_full(WhenFull::ForgetOldest).build();
    let running = claim(&store, &key(100)).expect("room");
    (0..5).for_each(|n| assert!(complete(&store, &key(n)).is_ok()));
    assert!(!is_done(&store, 0) && (1..5).all(|n| is_done(&store, n)));
    (5..9).for_each(|n| assert!(claim(&store, &key(n)).is_ok()));
    claim(&store, &key(9)).expect_err("all run");
    assert_eq!(finish(&store, &key(100), running, 10), Ok(Ownership::Held), "a claim is never forgotten");
    assert_eq!((store.forgotten(), used(&store).0), (5, 5));
}
