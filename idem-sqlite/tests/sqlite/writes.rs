//! What is written, counted in the log.

use std::time::Duration;

use idem_core::{Claim, Claimed, Ending, Finish, Owner, Ownership, Settle, Settlement, Store};
use idem_sqlite::SqliteStore;
use idem_testing::Clock;

use crate::support::{call, claim, completed, granted, key, result, Dir, LEASE, TTL};

#[tokio::test]
async fn a_call_is_two_transactions_and_a_replay_a_conflict_and_a_refusal_none() {
    let dir = Dir::new();
    let clock = Clock::new();
    let store = SqliteStore::builder(dir.file()).clock(clock.clone()).open().await.unwrap();
    let mut counted = dir.commits();
    let mut written = || {
        let before = std::mem::replace(&mut counted, dir.commits());
        counted - before
    };
    call(&store, &key("done"), b"done").await;
    assert_eq!(written(), 2, "fresh");
    assert_eq!(result(&store, &key("done")).await.as_deref(), Some(&b"done"[..]));
    assert_eq!(written(), 0, "replay");
    let owner = claim();
    granted(&store, &key("lapses"), &owner).await;
    assert_eq!(written(), 1, "a claim");
    assert!(matches!(store.claim(&key("lapses"), &claim()).await, Ok(Claimed::Running { .. })));
    assert_eq!(store.renew(&key("lapses"), Owner::random()).await.unwrap(), Ownership::Lost);
    assert_eq!(
        store.finish(&key("lapses"), &Finish::new(Owner::random(), Ending::Failed)).await.unwrap(),
        Ownership::Lost
    );
    store.load(&key("lapses")).await.unwrap();
    store.list(&idem_core::List::new(key("lapses").scope())).await.unwrap();
    assert_eq!(store.sweep(10).await.unwrap(), 0);
    let (seen, done) = (store.load(&key("done")).await.unwrap().unwrap(), key("done"));
    let stale = Settle::new(&seen, Owner::random(), Settlement::Failed);
    let running = store.load(&key("lapses")).await.unwrap().unwrap();
    store.settle(&key("lapses"), &Settle::new(&running, Owner::random(), Settlement::Failed)).await.unwrap();
    assert_eq!(written(), 0, "conflict, refusals, looking");
    store.settle(&done, &stale).await.unwrap();
    assert_eq!(written(), 1, "a settlement");
    clock.step(LEASE);
    call(&store, &key("lapses"), b"after").await;
    assert_eq!(written(), 2, "take-over");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_at_once_share_their_transactions() {
    let dir = Dir::new();
    let store = dir.store().await;
    let before = dir.commits();
    // While another process writes, all of them queue up.
    let other = dir.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let claims: Vec<_> = (0..64)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { granted(&store, &key(n), &claim()).await })
        })
        .collect();
    // What comes behind them is answered: they have been looked at, but for one that a second thread may have yet.
    tokio::task::yield_now().await;
    for n in 0..64 {
        store.load(&key(n)).await.unwrap();
    }
    other.execute_batch("COMMIT").unwrap();
    for claim in claims {
        claim.await.unwrap();
    }
    let commits = dir.commits() - before;
    assert!((1..=4).contains(&commits), "{commits} transactions for 64 claims");
}

#[tokio::test]
async fn sweeping_takes_what_is_over_a_thousand_at_a_time() {
    let (dir, clock) = (Dir::new(), Clock::new());
    let store = SqliteStore::builder(dir.file()).clock(clock.clone()).open().await.unwrap();
    let over = |n| Claim::new(Owner::random(), Duration::from_secs(1), Duration::from_secs(n % 7 + 1));
    for n in 0..1500_u64 {
        granted(&store, &key(n), &over(n)).await;
        if n % 100 == 0 {
            call(&store, &key(("kept", n)), b"kept").await;
        }
    }
    clock.step(Duration::from_secs(8));
    assert_eq!(store.sweep(3).await.unwrap(), 3);
    let before = dir.commits();
    assert_eq!(store.sweep(usize::MAX).await.unwrap(), 1000);
    assert_eq!(store.sweep(usize::MAX).await.unwrap(), 497);
    assert_eq!(store.sweep(usize::MAX).await.unwrap(), 0);
    assert!(dir.commits() <= before + 2, "nothing to sweep is nothing to write");
    for n in (0..1500_u64).step_by(100) {
        assert_eq!(result(&store, &key(("kept", n))).await.as_deref(), Some(&b"kept"[..]));
    }
    assert_eq!(dir.sql().query_row("SELECT count(*) FROM idem_records", [], |row| row.get(0)), Ok(15));
}

#[tokio::test]
async fn results_as_large_as_the_engine_lets_them_are_listed_page_by_page() {
    let dir = Dir::new();
    let store = dir.store().await;
    let large = vec![7; 1024 * 1024];
    for n in 0..20 {
        call(&store, &key(n), &large).await;
    }
    let (mut list, mut listed, mut pages) = (idem_core::List::new(key(0).scope()), 0, 0);
    loop {
        let page = store.list(&list).await.unwrap();
        (listed, pages) = (listed + page.records.len(), pages + 1);
        assert!(page.records.len() <= 9, "not all of it at once");
        list = match page.next {
            Some(next) => list.after(Some(next)),
            None => break,
        };
    }
    assert_eq!((listed, pages), (20, 3));
    let claim = Claim::new(Owner::random(), LEASE, TTL);
    granted(&store, &key("last"), &claim).await;
    assert_eq!(
        store.finish(&key("last"), &Finish::new(claim.owner, completed(&large))).await.unwrap(),
        Ownership::Held
    );
}
