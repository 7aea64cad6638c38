//! Detached runs, whose callers go and whose bodies panic.

use std::panic::resume_unwind;
use std::time::Duration;

use crate::support::{
    all_ends, caught, explore, op, process, since_the_beginning, spawn, value, yield_now, Bodies, Scissors, Shelf, Time,
};

/// A detached body runs once, whenever its caller goes.
#[test]
fn its_caller_is_dropped() {
    explore("a detached run's caller is dropped", Time::Patient, || async {
        let (idem, bodies) = (process(&Shelf::default()), Bodies::default());
        let scissors = Scissors::default();
        let dropped = spawn({
            let (op, body, scissors) = (op(&idem).detached(), bodies.clone().run(), scissors.clone());
            async move { scissors.on(async move { op.run(body).await }).await }
        });
        let call = spawn({
            let (op, body) = (op(&idem).detached(), bodies.clone().run());
            async move { op.run(body).await }
        });
        yield_now().await;
        scissors.cut();
        assert_eq!(value(call.await.unwrap()), 1);
        if let Some(answer) = dropped.await.unwrap() {
            assert_eq!(value(answer), 1);
        }
        assert_eq!(bodies.began(), 1);
        assert!(since_the_beginning() < Duration::from_secs(1), "somebody waited for the lease");
        all_ends(&idem).await;
    });
}

/// A body that panics does so for its own caller, and one of those who wait runs next.
#[test]
fn its_body_panics() {
    explore("a leader panics", Time::Patient, || async {
        let (idem, bodies) = (process(&Shelf::default()), Bodies::default());
        let calls: Vec<_> = (0..3)
            .map(|_| {
                let (op, bodies) = (op(&idem).detached(), bodies.clone());
                let body = async move {
                    let (number, _running) = bodies.begin();
                    yield_now().await;
                    if number == 1 {
                        resume_unwind(Box::new("quietly"));
                    }
                    Ok(number)
                };
                spawn(caught(async move { op.run(body).await }))
            })
            .collect();
        let mut panicked = 0;
        for call in calls {
            match call.await.unwrap() {
                Err(()) => panicked += 1,
                Ok(answer) => assert_eq!(value(answer), 2),
            }
        }
        assert_eq!((bodies.began(), panicked), (2, 1));
        assert!(since_the_beginning() < Duration::from_secs(1), "somebody waited for the lease");
        all_ends(&idem).await;
    });
}
