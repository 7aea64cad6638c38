//! Calls that meet at a slot.

use std::time::Duration;

use idem_core::Kind;

use crate::support::{
    all_ends, explore, nothing_is_left, op, process, since_the_beginning, spawn, Bodies, Shelf, Time,
};

/// Whoever comes meanwhile gets what the running call comes to, and nobody waits for time.
#[test]
fn three_calls_have_one_result() {
    explore("three calls", Time::Patient, || async {
        let (idem, bodies) = (process(&Shelf::default()), Bodies::default());
        let calls: Vec<_> = (0..3)
            .map(|_| {
                let (op, body) = (op(&idem), bodies.clone().run());
                spawn(async move { op.run(body).await })
            })
            .collect();
        let mut executed = 0;
        for call in calls {
            let answer = call.await.unwrap().expect("an outcome");
            executed += usize::from(answer.kind() == Kind::Executed);
            assert_eq!(answer.into_inner(), 1);
        }
        assert_eq!((bodies.began(), executed), (1, 1));
        assert_eq!(since_the_beginning(), Duration::ZERO, "somebody was not woken");
        nothing_is_left(&idem);
    });
}

/// A slot is given back while others are about to join it, and taken again: each caller calls twice.
#[test]
fn slots_come_and_go() {
    explore("slots that come and go", Time::Patient, || async {
        let (idem, bodies) = (process(&Shelf::default()), Bodies::default());
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let (op, bodies) = (op(&idem), bodies.clone());
                spawn(async move {
                    let first = op.run(bodies.clone().run()).await.expect("an outcome").into_inner();
                    (first, op.run(bodies.run()).await.expect("an outcome").into_inner())
                })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), (1, 1));
        }
        assert_eq!(bodies.began(), 1);
        assert_eq!(since_the_beginning(), Duration::ZERO, "somebody was not woken");
        all_ends(&idem).await;
    });
}
