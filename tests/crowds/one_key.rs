//! Ten thousand callers of one key.

use std::time::{Duration, Instant};

use idem::{CallError, Error, Kind};
use idem_testing::Verb;

use crate::{live, tasks, turn, Crowd, SLACK};

const CALLERS: usize = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_runs_and_all_get_its_result() {
    let _turn = turn().await;
    for peeks in [true, false] {
        let crowd = Crowd::new(peeks);
        let mut after = Vec::new();
        for round in 0..4 {
            let (before, claims) = (live(), crowd.store.count(Verb::Claim));
            let calls: Vec<_> = (0..CALLERS)
                .map(|n| {
                    let crowd = crowd.clone();
                    tokio::spawn(async move { crowd.call(crowd.op(round), Ok(n as u64)).await })
                })
                .collect();
            crowd.have_come(CALLERS).await;
            assert_eq!(crowd.left(), (1, 1));
            let each = live().saturating_sub(before) / CALLERS;
            // Another key's caller is not kept waiting by a crowd that is none of its business.
            let other = crowd.idem.operation("other").key(round).run(async { Ok::<_, ()>(1) }).await;
            assert_eq!(other.unwrap().kind(), Kind::Executed);
            let opened = Instant::now();
            crowd.open();
            let mut executed = Vec::new();
            let mut values = Vec::new();
            for call in calls {
                let outcome = call.await.unwrap().unwrap();
                match outcome.kind() {
                    Kind::Executed => executed.push(outcome.into_inner()),
                    Kind::Attached => values.push(outcome.into_inner()),
                    other => panic!("{other:?}"),
                }
            }
            let answered = opened.elapsed();
            assert_eq!((executed.len(), values.len(), crowd.ran()), (1, CALLERS - 1, 1));
            assert!(values.iter().all(|value| *value == executed[0]));
            assert_eq!(crowd.store.count(Verb::Claim) - claims, 2, "one for the crowd, one for the other key");
            assert_eq!(crowd.left(), (0, 0));
            tasks(0).await;
            println!("{CALLERS} callers of one key (peeks: {peeks}): {each} bytes each, answered within {answered:?}");
            crowd.again();
            crowd.an_hour_later().await;
            after.push(live());
        }
        assert!(after[3] < after[0] + SLACK, "memory grows: {after:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_each_fails_each_has_its_turn() {
    let _turn = turn().await;
    let crowd = Crowd::new(false);
    let calls: Vec<_> = (0..CALLERS)
        .map(|_| {
            let crowd = crowd.clone();
            tokio::spawn(async move { crowd.call(crowd.op(1), Err("declined")).await })
        })
        .collect();
    crowd.have_come(CALLERS).await;
    let opened = Instant::now();
    crowd.open();
    for call in calls {
        assert!(matches!(call.await.unwrap(), Err(CallError::Body("declined"))));
    }
    println!("{CALLERS} callers of one key, each of which fails: had their turns within {:?}", opened.elapsed());
    assert_eq!((crowd.ran(), crowd.left()), (CALLERS, (0, 0)));
    tasks(0).await;
}

#[tokio::test(start_paused = true)]
async fn those_without_patience_are_told_at_once() {
    let _turn = turn().await;
    let crowd = Crowd::new(false);
    let running = tokio::spawn({
        let crowd = crowd.clone();
        async move { crowd.call(crowd.op(1), Ok(7)).await }
    });
    crowd.have_begun(1).await;
    let began = tokio::time::Instant::now();
    let calls: Vec<_> = (0..CALLERS)
        .map(|n| {
            let crowd = crowd.clone();
            let op = crowd.op(1).wait(Duration::from_secs((n % 2) as u64));
            tokio::spawn(async move {
                let answer = crowd.call(op, Ok(8)).await;
                (answer, n, tokio::time::Instant::now())
            })
        })
        .collect();
    for call in calls {
        let (answer, n, at) = call.await.unwrap();
        assert!(matches!(answer, Err(CallError::Idem(Error::InProgress { .. }))));
        assert_eq!((at - began).as_secs(), (n % 2) as u64);
    }
    crowd.open();
    assert_eq!(running.await.unwrap().unwrap().into_inner(), 7);
    let honest = crowd.call(crowd.op(1), Ok(9)).await.unwrap();
    assert_eq!((honest.kind(), honest.into_inner(), crowd.ran()), (Kind::Replayed, 7, 1));
    assert_eq!(crowd.left(), (0, 0));
    tasks(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_leave_leave_nothing() {
    let _turn = turn().await;
    let crowd = Crowd::new(false);
    let mut after = Vec::new();
    for _ in 0..4 {
        let running = tokio::spawn({
            let crowd = crowd.clone();
            async move { crowd.call(crowd.op(1), Ok(7)).await }
        });
        crowd.have_begun(1).await;
        let calls: Vec<_> = (0..CALLERS)
            .map(|_| {
                let crowd = crowd.clone();
                tokio::spawn(async move { crowd.call(crowd.op(1), Ok(8)).await })
            })
            .collect();
        crowd.have_come(CALLERS + 1).await;
        for call in calls {
            call.abort();
            call.await.unwrap_err();
        }
        assert_eq!(crowd.left(), (1, 1));
        tasks(1).await;
        crowd.open();
        assert_eq!(running.await.unwrap().unwrap().kind(), Kind::Executed);
        assert_eq!((crowd.ran(), crowd.left()), (1, (0, 0)));
        tasks(0).await;
        crowd.again();
        crowd.an_hour_later().await;
        after.push(live());
    }
    assert!(after[3] < after[0] + SLACK, "memory grows: {after:?}");
}
