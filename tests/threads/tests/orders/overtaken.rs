//! Leaders that sleep over their leases.

use idem_core::{Completion, Error, Failed, Phase};

use crate::support::{all_ends, explore, op, process, spawn, value, Bodies, Shelf, Time};

/// Two processes, and pauses longer than a lease: bodies may run again, but all callers get the one recorded result.
#[test]
fn everybody_sleeps_over_the_lease() {
    explore("leaders are overtaken", Time::Jumps(3, 20), || async {
        let (shelf, bodies) = (Shelf::default(), Bodies::default());
        let (here, there) = (process(&shelf), process(&shelf));
        let calls: Vec<_> = [&here, &here, &there]
            .map(|idem| {
                let (op, body) = (op(idem), bodies.clone().run());
                spawn(async move { op.run(body).await })
            })
            .into_iter()
            .collect();
        let mut results = vec![];
        for call in calls {
            match call.await.unwrap() {
                // A claim was asleep for longer than a store may take.
                Err(Failed::Idem(Error::Store { .. })) => {}
                answer => results.push(value(answer)),
            }
        }
        let recorded = match shelf.record().map(|record| record.phase) {
            Some(Phase::Completed(Completion::Result(payload))) => payload.as_bytes().to_vec(),
            _ if results.is_empty() => vec![],
            other => panic!("{other:?}"),
        };
        for result in results {
            assert!(recorded.ends_with(result.to_string().as_bytes()), "{result} is not what is recorded");
        }
        all_ends(&here).await;
        all_ends(&there).await;
    });
}
