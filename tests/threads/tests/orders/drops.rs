//! Calls that are dropped at any point, leading and following.

use std::time::Duration;

use crate::support::{
    all_ends, explore, op, process, since_the_beginning, spawn, value, yield_now, Bodies, Scissors, Shelf, Time,
};

/// Whichever of three is dropped, and wherever it is: the others get one result, without waiting for a lease.
#[test]
fn one_of_three_is_dropped() {
    explore("one of three is dropped", Time::Patient, || async {
        let (idem, bodies) = (process(&Shelf::default()), Bodies::default());
        let scissors = Scissors::default();
        let dropped = spawn({
            let (op, body, scissors) = (op(&idem), bodies.clone().run(), scissors.clone());
            async move { scissors.on(async move { op.run(body).await }).await }
        });
        let calls: Vec<_> = (0..2)
            .map(|_| {
                let (op, body) = (op(&idem), bodies.clone().run());
                spawn(async move { op.run(body).await })
            })
            .collect();
        spawn(async move {
            yield_now().await;
            scissors.cut();
        })
        .await
        .unwrap();
        let mut results = vec![];
        for call in calls {
            results.push(value(call.await.unwrap()));
        }
        results.extend(dropped.await.unwrap().map(value));
        assert!(results.windows(2).all(|pair| pair.first() == pair.last()), "two results: {results:?}");
        assert!(bodies.began() <= 2, "{} bodies", bodies.began());
        // It may have been a moment until the store knew that the key is free.
        assert!(since_the_beginning() < Duration::from_secs(1), "somebody waited for the lease");
        all_ends(&idem).await;
    });
}
