//! `MokaStore::builder()`: `max_records` and `max_bytes`.

use std::time::Duration;

use idem::{CallError, Error, Idem, Kind, MokaStore, WhenFull};

/// Runs a call whose result has so many bytes.
async fn put(idem: &Idem, key: u32, ttl: u64, bytes: usize) -> Result<Kind, CallError<()>> {
    let op = idem.operation("op").key(key).ttl(Duration::from_millis(ttl));
    op.run(async { Ok("x".repeat(bytes)) }).await.map(|outcome| outcome.kind())
}

#[tokio::test]
async fn a_result_over_the_limit_forgets_no_other() {
    let store = MokaStore::builder().max_bytes(20_000).when_full(WhenFull::ForgetOldest).build();
    let idem = Idem::new(store.clone());
    for key in 0..10 {
        put(&idem, key, 1_000_000, 10).await.unwrap();
    }
    put(&idem, 99, 1_000_000, 30_000).await.unwrap();
    assert_eq!(store.forgotten(), 0);
    assert_eq!(put(&idem, 0, 1_000_000, 10).await.unwrap(), Kind::Replayed);
}

#[tokio::test]
async fn expired_records_do_not_count() {
    let clock = idem_testing::Clock::new();
    let idem = Idem::new(MokaStore::builder().clock(clock.clone()).max_bytes(6000).build());
    put(&idem, 1, 100, 1500).await.unwrap();
    put(&idem, 2, 1_000_000, 1500).await.unwrap();
    put(&idem, 3, 1_000_000, 5000).await.unwrap();
    clock.step(Duration::from_millis(500));
    put(&idem, 4, 1_000_000, 1500).await.unwrap();
    assert_eq!(put(&idem, 4, 1_000_000, 1500).await.unwrap(), Kind::Replayed);
}

#[tokio::test]
async fn forget_makes_room() {
    let idem = Idem::new(MokaStore::builder().max_records(1).build());
    put(&idem, 1, 1_000_000, 1).await.unwrap();
    assert!(matches!(put(&idem, 2, 1_000_000, 1).await, Err(CallError::Idem(Error::Store { .. }))));
    assert!(idem.operation("op").key(1_u32).forget().await.unwrap());
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(put(&idem, 2, 1_000_000, 1).await.unwrap(), Kind::Executed);
}

#[tokio::test]
async fn resolve_does_not_forget_the_record_that_it_resolves() {
    let store = MokaStore::builder().max_bytes(20_000).when_full(WhenFull::ForgetOldest).build();
    let idem = Idem::new(store.clone());
    let mut key = 0;
    while store.forgotten() == 0 {
        put(&idem, key, 1_000_000, 10).await.unwrap();
        key += 1;
    }
    // The oldest that is left, with a result that needs the room of others.
    let op = idem.operation("op").key(1_u32);
    op.resolve(&"y".repeat(3000)).await.unwrap();
    assert!(store.forgotten() > 1);
    let replayed = op.run(async { Ok::<_, ()>(String::new()) }).await.unwrap();
    assert_eq!((replayed.kind(), replayed.into_inner().len()), (Kind::Replayed, 3000));
}
