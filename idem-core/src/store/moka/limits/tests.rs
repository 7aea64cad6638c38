use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::record::{Owner, Payload};
use crate::store::moka::tests::Hand;
use crate::store::moka::{MokaStore, MokaStoreBuilder};
use crate::transition::{Claim, Claimed, Ending, Finish, Ownership, Settle, Settlement};

const TTL: Duration = Duration::from_secs(60);

fn build(with: impl FnOnce(MokaStoreBuilder) -> MokaStoreBuilder) -> (MokaStore, Hand) {
    let clock = Hand::default();
    clock.step(TTL);
    (with(MokaStore::builder().clock(clock.clone())).build(), clock)
}

fn key(n: usize) -> Key {
    Key::new("", "op", &n).expect("a valid key")
}

fn claim(store: &MokaStore, n: usize) -> Result<Owner, Full> {
    let claim = Claim::new(Owner::random(), TTL, TTL);
    match store.apply(&key(n), &claim)? {
        Claimed::Granted(_) => Ok(claim.owner),
        other => panic!("{other:?}"),
    }
}

fn finish(store: &MokaStore, n: usize, owner: Owner, bytes: usize) -> Result<Ownership, Full> {
    let payload = Payload::from_bytes(vec![0; bytes]);
    store.apply(&key(n), &Finish::new(owner, Ending::Completed(Completion::Result(payload))))
}

fn complete(store: &MokaStore, n: usize) -> Result<(), Full> {
    finish(store, n, claim(store, n)?, 10).map(drop)
}

fn is_done(store: &MokaStore, n: usize) -> bool {
    store.apply(&key(n), &Finish::new(Owner::random(), Ending::Failed)).expect("an answer") == Ownership::Lost
        && store.inner.done.get(&key(n)).is_some()
}

fn used(store: &MokaStore) -> (u64, u64) {
    store.inner.done.run_pending_tasks();
    store.inner.limits.as_ref().expect("limits").used()
}

#[test]
fn a_full_store_refuses_new_keys_and_keeps_what_it_has() {
    let (store, clock) = build(|store| store.max_records(3));
    let running = claim(&store, 0).expect("room");
    complete(&store, 1).expect("room");
    let failed = claim(&store, 2).expect("room");
    store.apply(&key(2), &Finish::new(failed, Ending::Failed)).expect("room");
    assert_eq!(claim(&store, 3).expect_err("full").records, 3);
    // What is there goes on as ever.
    assert_eq!(finish(&store, 0, running, 10), Ok(Ownership::Held));
    complete(&store, 2).expect("its key is known");
    assert!((0..3).all(|n| is_done(&store, n)));
    assert_eq!((store.forgotten(), used(&store).0), (0, 3));
    // What has expired makes room.
    clock.step(TTL);
    complete(&store, 3).expect("room");
    assert_eq!(used(&store).0, 1);
}

#[test]
fn a_full_store_is_not_looked_through_by_everybody_who_is_refused() {
    let (store, clock) = build(|store| store.max_records(1));
    complete(&store, 0).expect("room");
    claim(&store, 1).expect_err("full");
    let limits = store.inner.limits.as_ref().expect("limits");
    assert!(!limits.may_look_through(clock.now()));
    clock.step(PAUSE);
    assert!(limits.may_look_through(clock.now()));
    assert!(limits.may_look_through(Timestamp::from_micros(0)), "though the clock was set back");
}

#[test]
fn bytes_are_counted_and_given_back() {
    let (store, _) = build(|store| store.max_bytes(10_000));
    let empty = claim(&store, 0).expect("room");
    let one = bytes(&key(0), &store.inner.open.lock(&key(0)).get(&key(0)).cloned().expect("a record"));
    assert_eq!(used(&store), (1, one));
    let full = finish(&store, 0, empty, 10_000).expect_err("too large");
    assert_eq!(full.bytes, one);
    let unreplayable = Finish::new(empty, Ending::Completed(Completion::Unreplayable));
    assert_eq!(store.apply(&key(0), &unreplayable), Ok(Ownership::Held), "that it is done is never refused");
    let other = claim(&store, 1).expect("room");
    assert_eq!(finish(&store, 1, other, 5_000), Ok(Ownership::Held));
    assert_eq!(used(&store).1, 2 * one + 5_000);
    let done = store.inner.done.get(&key(1)).expect("done");
    store.apply(&key(1), Settle::new(&done.record, Owner::random(), Settlement::Forgotten)).expect("room");
    assert_eq!(used(&store), (2, 2 * one), "the result is gone, the fence is not");
}

#[test]
fn by_choice_what_was_done_first_is_forgotten_and_counted() {
    let (store, _) = build(|store| store.max_records(5).when_full(WhenFull::ForgetOldest));
    let running = claim(&store, 100).expect("room");
    (0..4).for_each(|n| complete(&store, n).expect("room"));
    complete(&store, 4).expect("room is made");
    assert!(!is_done(&store, 0) && (1..5).all(|n| is_done(&store, n)));
    assert_eq!(finish(&store, 100, running, 10), Ok(Ownership::Held), "a claim is never forgotten");
    (10..110).filter(|n| *n != 100).for_each(|n| complete(&store, n).expect("room is made"));
    assert_eq!((store.forgotten(), used(&store).0), (100, 5));
    let oldest = store.inner.limits.as_ref().expect("limits").oldest.lock().expect("not poisoned").len();
    assert!(oldest <= 2 * 5 + 64, "{oldest}");
}

#[test]
fn where_all_are_claims_there_is_nothing_to_forget() {
    let (store, _) = build(|store| store.max_records(2).when_full(WhenFull::ForgetOldest));
    claim(&store, 0).expect("room");
    claim(&store, 1).expect("room");
    claim(&store, 2).expect_err("full");
    assert_eq!(store.forgotten(), 0);
}

#[test]
fn a_large_result_makes_room_by_bytes() {
    let (store, _) = build(|store| store.max_bytes(5_000).when_full(WhenFull::ForgetOldest));
    (0..5).for_each(|n| complete(&store, n).expect("room"));
    let owner = claim(&store, 9).expect("room");
    assert_eq!(finish(&store, 9, owner, 3_000), Ok(Ownership::Held));
    assert!(is_done(&store, 9) && used(&store).1 <= 5_000);
    assert!(store.forgotten() >= 2);
}

#[test]
fn what_is_gone_is_not_remembered_as_old() {
    let (store, clock) = build(|store| store.max_records(1_000_000).when_full(WhenFull::ForgetOldest));
    for n in 0..2_000 {
        complete(&store, n).expect("room");
        clock.step(TTL / 4);
        store.take_back(100);
    }
    let oldest = store.inner.limits.as_ref().expect("limits").oldest.lock().expect("not poisoned").len();
    assert!(oldest <= 2 * 5 + 64 + 1, "{oldest}");
    assert!(used(&store).0 <= 5);
}

#[test]
fn open_records_that_expire_are_given_back_too() {
    let (store, clock) = build(|store| store.max_records(1_000_000));
    for n in 0..5_000 {
        claim(&store, n).expect("room");
        clock.step(TTL * 2);
    }
    // As many as the shares hold between two looks.
    assert!(used(&store).0 <= 64 * 20, "{:?}", used(&store));
}
