//! `MokaStore::builder()`: `max_records` and `max_bytes`.

use std::time::Duration;

use idem::{
    CallError, Claim, Claimed, Completion, Ending, Error, Finish, Idem, Key, Kind, MokaStore, Owner, Ownership,
    Payload, Store, WhenFull,
};

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

#[tokio::test(start_paused = true)]
async fn forget_makes_room() {
    let idem = Idem::new(MokaStore::builder().max_records(1).build());
    put(&idem, 1, 1_000_000, 1).await.unwrap();
    assert!(matches!(put(&idem, 2, 1_000_000, 1).await, Err(CallError::Idem(Error::Store { .. }))));
    assert!(idem.operation("op").key(1_u32).forget().await.unwrap());
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

/// Each thread makes room, and another may take it first.
#[test]
fn among_many_threads_every_write_finds_room() {
    const TTL: Duration = Duration::from_secs(60);
    let store = MokaStore::builder().max_bytes(60_000).when_full(WhenFull::ForgetOldest).build();
    let complete = |thread: u32, n: u32| {
        let (store, key) = (store.clone(), Key::new("", "op", &(thread, n)).unwrap());
        let claim = Claim::new(Owner::random(), TTL, TTL);
        async move {
            assert!(matches!(store.claim(&key, &claim).await, Ok(Claimed::Granted(_))));
            let result = Completion::Result(Payload::from_bytes(vec![0; 5000]));
            let finished = store.finish(&key, &Finish::new(claim.owner, Ending::Completed(result))).await;
            assert_eq!(finished.unwrap(), Ownership::Held);
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            scope.spawn(move || (0..2000).for_each(|n| runtime.block_on(complete(thread, n))));
        }
    });
    assert!(store.forgotten() > 7_000, "{}", store.forgotten());
}
