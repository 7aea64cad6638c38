//! Calls that fail, drains, and leases that are lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use idem_core::{current, CallError, Error};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::support::{
    all_ends, explore, nothing_is_left, op, process, since_the_beginning, spawn, value, yield_now, Bodies, Shelf, Time,
};

/// The slot of a call that fails is given to one of those who wait, and the others wait for that one.
#[test]
fn a_call_that_fails_is_followed_by_one_that_waited() {
    explore("a call that fails", Time::Patient, || async {
        let (idem, bodies) = (process(&Shelf::default()), Bodies::default());
        let calls: Vec<_> = (0..3)
            .map(|_| {
                let (op, bodies) = (op(&idem), bodies.clone());
                spawn(async move {
                    op.run(async {
                        let (number, _running) = bodies.begin();
                        yield_now().await;
                        if number == 1 {
                            Err("no")
                        } else {
                            Ok(number)
                        }
                    })
                    .await
                })
            })
            .collect();
        let mut failed = 0;
        for call in calls {
            match call.await.unwrap() {
                Err(CallError::Body("no")) => failed += 1,
                answer => assert_eq!(value(answer), 2),
            }
        }
        assert_eq!((bodies.began(), failed), (2, 1));
        assert_eq!(since_the_beginning(), Duration::ZERO, "somebody was not woken");
        nothing_is_left(&idem);
    });
}

/// When a drain says that all has ended, nothing runs and nothing begins any more.
#[test]
fn a_drain_beside_new_calls() {
    explore("a drain beside new calls", Time::Patient, || async {
        let (idem, bodies) = (process(&Shelf::default()), Bodies::default());
        let drained = Arc::new(AtomicBool::new(false));
        let calls: Vec<_> = (0..2)
            .map(|key| {
                let op = idem.operation("op").key(key);
                let (bodies, drained) = (bodies.clone(), Arc::clone(&drained));
                spawn(async move {
                    op.run(async {
                        assert!(!drained.load(Ordering::SeqCst), "a body begins after the drain");
                        bodies.run().await
                    })
                    .await
                })
            })
            .collect();
        let drain = spawn({
            let (idem, bodies) = (idem.clone(), bodies.clone());
            async move {
                assert_eq!(idem.drain(Duration::from_secs(3600)).await, 0);
                drained.store(true, Ordering::SeqCst);
                assert_eq!(bodies.running(), 0, "a body runs after the drain");
            }
        });
        drain.await.unwrap();
        for call in calls {
            match call.await.unwrap() {
                Ok(_) | Err(CallError::Idem(Error::ShuttingDown { .. })) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(since_the_beginning() < Duration::from_secs(1), "the drain was not woken");
        nothing_is_left(&idem);
    });
}

/// A body that waits for the loss of its lease hears of it, and its success is recorded once whoever took the key is silent.
#[test]
fn a_lease_that_is_lost() {
    explore("a lease that is lost", Time::Patient, || async {
        let shelf = Shelf::default();
        let idem = process(&shelf);
        let (begins, begun) = oneshot::channel();
        let call = spawn({
            let op = op(&idem);
            async move {
                op.run(async {
                    let _ = begins.send(());
                    let run = current().expect("a run");
                    // It begins to listen at the very moment when the lease is to be renewed.
                    let listens = spawn(async move {
                        sleep(Duration::from_secs(5)).await;
                        run.lost().await;
                    });
                    listens.await.unwrap();
                    assert!(since_the_beginning() < Duration::from_secs(15), "nobody said so");
                    Ok(1)
                })
                .await
            }
        });
        begun.await.unwrap();
        let follower = spawn({
            let op = op(&idem);
            async move { op.run(async { Ok(2) }).await }
        });
        shelf.steal();
        let (one, other) = (value(call.await.unwrap()), value(follower.await.unwrap()));
        assert_eq!(one, other, "two results");
        all_ends(&idem).await;
    });
}
