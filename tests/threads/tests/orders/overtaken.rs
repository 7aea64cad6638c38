//! Leaders that sleep over their leases.

use idem_core::{CallError, Completion, Error, State};

use crate::support::{
    all_ends, explore, key, op, process, sleep, spawn, value, yield_now, Bodies, Shelf, Stall, Time, LEASE,
};

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
                Err(CallError::Idem(Error::Store { .. })) => {}
                answer => results.push(value(answer)),
            }
        }
        let recorded = match shelf.record().map(|record| record.state) {
            Some(State::Completed(Completion::Result(payload))) => payload.as_bytes().to_vec(),
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

/// A call stops being polled while another process owns the key. The next call of its process overtakes it and succeeds; the
/// store takes neither its record nor its renewals. Polled again, the first call must not run the body: its process knows of
/// the success.
#[test]
fn a_leader_that_is_not_polled_is_overtaken_by_a_success() {
    explore("an unpolled leader is overtaken by a success", Time::Patient, || async {
        let (shelf, bodies) = (Shelf::default(), Bodies::default());
        shelf.owned_elsewhere(key());
        let here = process(&shelf);
        let stall = Stall::default();
        let overtaken = spawn(stall.on({
            let (op, body) = (op(&here), bodies.clone().run());
            async move { op.run(body).await }
        }));
        while shelf.claims() == 0 {
            yield_now().await;
        }
        yield_now().await;
        stall.begin();
        sleep(LEASE).await;
        shelf.refuse_owners(true);
        let success = value(op(&here).run(bodies.clone().run()).await);
        sleep(LEASE).await;
        let late = spawn({
            let (op, body) = (op(&here), bodies.clone().run());
            async move { op.run(body).await }
        });
        stall.end();
        sleep(LEASE).await;
        shelf.refuse_owners(false);
        assert_eq!(value(overtaken.await.unwrap()), success);
        assert_eq!(value(late.await.unwrap()), success);
        assert_eq!(bodies.began(), 1, "the body ran again in a process that knows of the success");
        all_ends(&here).await;
    });
}
