//! A hundred thousand keys at once.

use std::time::Duration;

use idem::Kind;
use idem_testing::Verb;
use tokio::task::JoinHandle;

use crate::{live, tasks, turn, Answer, Crowd, SLACK};

const KEYS: usize = 100_000;
const LEASE: Duration = Duration::from_secs(15);

fn all(crowd: &Crowd) -> Vec<JoinHandle<Answer>> {
    let call = |key: usize| {
        let crowd = crowd.clone();
        tokio::spawn(async move { crowd.call(crowd.op(key as u64).lease(LEASE), Ok(key as u64)).await })
    };
    (0..KEYS).map(call).collect()
}

#[tokio::test(start_paused = true)]
async fn each_keeps_its_lease_and_nothing_is_left() {
    let _turn = turn().await;
    let crowd = Crowd::new(false);
    let mut after = Vec::new();
    for _ in 0..2 {
        let (before, renewals) = (live(), crowd.store.count(Verb::Renew));
        let calls = all(&crowd);
        crowd.have_begun(KEYS).await;
        assert_eq!(crowd.left(), (KEYS, KEYS));
        tasks(KEYS).await;
        let running = live().saturating_sub(before) / KEYS;
        tokio::time::sleep(LEASE / 2).await;
        let renewed = crowd.store.count(Verb::Renew) - renewals;
        assert_eq!(renewed, KEYS, "every third of a lease");
        crowd.open();
        for (key, call) in calls.into_iter().enumerate() {
            let outcome = call.await.unwrap().unwrap();
            assert_eq!((outcome.kind(), outcome.into_inner()), (Kind::Executed, key as u64));
        }
        assert_eq!((crowd.ran(), crowd.left()), (KEYS, (0, 0)));
        tasks(0).await;
        let recorded = live().saturating_sub(before) / KEYS;
        // The honest replay.
        let again = crowd.call(crowd.op(7), Ok(8)).await.unwrap();
        assert_eq!((again.kind(), again.into_inner(), crowd.ran()), (Kind::Replayed, 7, KEYS));
        // No timer is left that would ask the store for anything.
        let asked = crowd.store.count(Verb::Renew) + crowd.store.count(Verb::Claim) + crowd.store.count(Verb::Finish);
        tokio::time::sleep(LEASE * 100).await;
        let later = crowd.store.count(Verb::Renew) + crowd.store.count(Verb::Claim) + crowd.store.count(Verb::Finish);
        assert_eq!(later, asked);
        println!("{KEYS} keys at once: {running} bytes a running call with its task, {recorded} a record");
        crowd.again();
        crowd.an_hour_later().await;
        after.push(live());
    }
    assert!(after[1] < after[0] + SLACK, "memory grows: {after:?}");
}

#[tokio::test(start_paused = true)]
async fn those_whose_callers_leave_are_unknown_and_run_again() {
    let _turn = turn().await;
    let crowd = Crowd::new(false);
    let calls = all(&crowd);
    crowd.have_begun(KEYS).await;
    for call in &calls {
        call.abort();
    }
    for call in calls {
        call.await.unwrap_err();
    }
    // Endings land in tasks of their own.
    assert_eq!(crowd.idem.drain(LEASE).await, 0);
    assert_eq!(crowd.left(), (0, 0));
    tasks(0).await;
    assert_eq!(crowd.store.count(Verb::Finish), KEYS);
    let crowd = crowd.elsewhere();
    crowd.again();
    crowd.open();
    for call in all(&crowd) {
        assert_eq!(call.await.unwrap().unwrap().kind(), Kind::Executed);
    }
    assert_eq!((crowd.ran(), crowd.left()), (KEYS, (0, 0)));
    tasks(0).await;
}
