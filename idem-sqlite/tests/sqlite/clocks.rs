//! The host's clock is set: a lease may end early, and nothing else may happen.

use std::time::Duration;

use idem_core::{Claim, Claimed, Ending, Finish, Owner, Ownership, Store};
use idem_sqlite::SqliteStore;
use idem_testing::Clock;

use crate::support::{claim, completed, granted, key, result, Dir, LEASE, TTL};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn store(dir: &Dir, clock: &Clock) -> SqliteStore {
    SqliteStore::builder(dir.file()).clock(clock.clone()).open().await.unwrap()
}

#[tokio::test]
async fn a_clock_that_is_set_costs_an_early_take_over_at_most() {
    let (dir, clock) = (Dir::new(), Clock::new());
    let store = store(&dir, &clock).await;
    let (key, first) = (key("k"), claim());
    let mut fence = granted(&store, &key, &first).await.fence;
    clock.set_back(DAY);
    assert!(matches!(store.claim(&key, &claim()).await, Ok(Claimed::Running { .. })), "set back");
    clock.step(DAY + LEASE);
    let next = claim();
    let grant = granted(&store, &key, &next).await;
    assert!(grant.fence > fence && grant.after_unknown, "set forward: taken over early");
    fence = grant.fence;
    assert_eq!(store.finish(&key, &Finish::new(first.owner, completed(b"late"))).await.unwrap(), Ownership::Lost);
    clock.set_back(DAY);
    assert_eq!(store.finish(&key, &Finish::new(next.owner, Ending::Failed)).await.unwrap(), Ownership::Held);
    let last = claim();
    assert!(granted(&store, &key, &last).await.fence > fence);
    assert_eq!(store.finish(&key, &Finish::new(last.owner, completed(b"done"))).await.unwrap(), Ownership::Held);
    assert_eq!(result(&store, &key).await.as_deref(), Some(&b"done"[..]));
}

/// More than is asked of a store: the fence survives deletion even when the clock goes back behind all of it.
#[tokio::test]
async fn fences_do_not_fall_after_a_sweep_a_restart_and_a_clock_set_back() {
    let (dir, clock) = (Dir::new(), Clock::new());
    let first = store(&dir, &clock).await;
    clock.step(DAY);
    let fence = granted(&first, &key("k"), &Claim::new(Owner::random(), LEASE, TTL)).await.fence;
    clock.step(DAY);
    assert_eq!(first.sweep(10).await.unwrap(), 1);
    assert_eq!(first.load(&key("k")).await.unwrap(), None);
    drop(first);
    clock.set_back(3 * DAY);
    let again = store(&dir, &clock).await;
    let claim = claim();
    let grant = granted(&again, &key("k"), &claim).await;
    assert!(grant.fence > fence, "{} after {fence}", grant.fence);
    assert_eq!((grant.attempt, grant.after_unknown), (1, false), "and nothing else is left of it");
    assert_eq!(again.finish(&key("k"), &Finish::new(claim.owner, Ending::Failed)).await.unwrap(), Ownership::Held);
}

#[tokio::test]
async fn the_clock_is_the_hosts_unless_it_is_another() {
    let dir = Dir::new();
    let store = dir.store().await;
    let micros = || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::try_from(now.as_micros()).unwrap()
    };
    let before = micros();
    let fence = granted(&store, &key("k"), &claim()).await.fence;
    assert!((before..=micros()).contains(&fence));
}
