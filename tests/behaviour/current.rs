//! `idem::current()`: what a body may know of its own call.

use idem::{current, Idem, Kind};

use crate::support::*;

/// Runs a body that tells what it knows.
async fn told(h: &Harness, idem: &Idem, key: &'static str, fails: bool) -> (u32, u64, String) {
    let told = std::sync::Mutex::new(None);
    let _ = idem
        .operation(NAME)
        .key(key)
        .run(async {
            h.count_run();
            let current = current().expect("inside a body");
            tokio::task::yield_now().await;
            *told.lock().unwrap() = Some((current.attempt(), current.fencing_token(), current.derived_key("charge")));
            if fails {
                Err(Declined)
            } else {
                Ok(1)
            }
        })
        .await;
    told.into_inner().unwrap().expect("the body ran")
}

rows! {
    async fn attempt_and_fencing_token_are_the_records(h) {
        let first = told(&h, &h.idem, "k", true).await;
        assert_eq!((first.0, first.1), (1, h.record().await.unwrap().fence));
        let second = told(&h, &h.elsewhere().idem, "k", false).await;
        assert_eq!((second.0, second.1), (2, h.record().await.unwrap().fence));
        assert!(second.1 > first.1);
        assert_eq!(second.2, first.2, "the derived key is the same in every attempt");
    }

    async fn derived_keys_differ_by_call_and_label(h) {
        let one = told(&h, &h.idem, "k", false).await.2;
        let other = told(&h, &h.idem, "l", false).await.2;
        let elsewhere = told(&h, &Idem::builder(h.store.clone()).namespace("ns").build().unwrap(), "k", false).await.2;
        let label = h.idem.operation("test.other").key("k");
        let label = label.run(async { Ok::<_, Declined>(current().unwrap().derived_key("refund")) }).await.unwrap().into_inner();
        for (i, a) in [&one, &other, &elsewhere, &label].iter().enumerate() {
            assert_eq!(a.len(), 32);
            assert!([&one, &other, &elsewhere, &label].iter().skip(i + 1).all(|b| a != b));
        }
        assert_eq!(one, "7a62e6103c00c44c9ffde31239b2db45", "frozen: systems downstream remember it");
    }

    async fn none_outside_and_in_spawned_tasks(h) {
        assert!(current().is_none());
        let seen = h.op().run(async {
            let spawned = tokio::spawn(async { current().is_none() }).await.unwrap();
            Ok::<_, Declined>(spawned && current().is_some_and(|current| *current.key() == key()))
        });
        assert!(seen.await.unwrap().into_inner());
        let detached = h.idem.operation(NAME).key("detached").detached().run(async { Ok::<_, Declined>(current().is_some()) });
        assert!(detached.await.unwrap().into_inner());
        assert!(current().is_none());
    }

    async fn lost_completes_when_somebody_took_over(h) {
        let op = h.op();
        let mine = { let h = h.clone(); async move {
            op.run(async {
                current().unwrap().lost().await;
                h.count_run();
                Ok::<_, Declined>("mine".to_owned())
            }).await
        } };
        let mine = started(mine).await;
        tokio::time::sleep(60 * SECOND).await;
        // A renewal that falls due now is over before the clock is turned.
        settle().await;
        assert_eq!(h.ran(), 0, "not while the lease is renewed");
        h.clock.step(LEASE);
        h.ok(&h.elsewhere().op(), "theirs").await.unwrap();
        assert_eq!(value(mine.await.unwrap()), ("theirs".into(), Kind::Replayed));
        assert_eq!(h.ran(), 2);
    }

    async fn lost_completes_when_the_store_is_gone_for_a_lease(h) {
        h.store.fault(Verb::Renew, Fault::Lost(10_000));
        let before = tokio::time::Instant::now();
        let mine = h.op().run(async {
            current().unwrap().lost().await;
            Ok::<_, Declined>("mine".to_owned())
        });
        assert_eq!(value(mine.await).0, "mine");
        assert!(before.elapsed() >= LEASE && before.elapsed() < LEASE + SECOND, "{:?}", before.elapsed());
    }

    async fn a_run_that_nothing_guards_knows_of_no_grant(h) {
        // The key was granted, and before its task begins the lease is over and the store refuses.
        let (store, trouble) = (h.store.clone(), h.store.clone());
        let late = Idem::builder(store).fail_open().spawner(move |task| {
            trouble.fault(Verb::Claim, Fault::Refused);
            drop(tokio::spawn(async move { tokio::time::sleep(LEASE * 2).await; task.await }));
        });
        let op = late.build().unwrap().operation(NAME).key("k").detached();
        let answer = op.run(async {
            let current = current().unwrap();
            assert!(tokio::time::timeout(LEASE, current.lost()).await.is_err(), "there is no lease to lose");
            Ok::<_, Declined>((current.attempt(), current.fencing_token()))
        });
        let outcome = answer.await.unwrap();
        assert_eq!((outcome.kind(), outcome.into_inner()), (Kind::Unguarded, (0, 0)));
    }

    async fn nor_one_whose_lease_ran_out_while_it_asked(h) {
        h.abandon(&h.op()).await;
        let open = h.under(Idem::builder(h.store.clone()).fail_open().build().unwrap());
        h.store.fault(Verb::Renew, Fault::NotApplied(1_000_000));
        let store = h.store.clone();
        let op = open.op().reconcile(move || {
            let store = store.clone();
            async move {
                tokio::time::sleep(LEASE * 2).await;
                store.fault(Verb::Claim, Fault::Refused);
                Ok::<Option<(u32, u64)>, Declined>(None)
            }
        });
        let answer = op.run(async { Ok((current().unwrap().attempt(), current().unwrap().fencing_token())) });
        let outcome = answer.await.unwrap();
        assert_eq!((outcome.kind(), outcome.into_inner()), (Kind::Unguarded, (0, 0)));
    }
}

#[tokio::test(start_paused = true)]
async fn lost_completes_when_the_call_was_dropped() {
    let h = Harness::asking();
    let helper = std::sync::Arc::new(std::sync::Mutex::new(None));
    let (op, put) = (h.op(), helper.clone());
    let body = async move {
        *put.lock().unwrap() = Some(tokio::spawn(current().unwrap().lost()));
        std::future::pending::<Result<String, Declined>>().await
    };
    drop(polled_once(Box::pin(op.run(body))).await);
    let other = h.elsewhere();
    let _theirs = other.hang(&other.op()).await; // another process has the lease
    let helper = helper.lock().unwrap().take().unwrap();
    tokio::time::timeout(LEASE * 100, helper).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn lost_completes_even_if_the_result_was_recorded_after_a_forget() {
    let h = Harness::asking();
    let known = std::sync::Arc::new(std::sync::Mutex::new(None));
    let (op, put) = (h.op(), known.clone());
    let call = started(async move {
        op.run(async move {
            *put.lock().unwrap() = current();
            tokio::time::sleep(SECOND).await;
            Ok::<_, Declined>("v".to_owned())
        })
        .await
    })
    .await;
    h.clock.step(LEASE * 2);
    assert!(h.elsewhere().op().forget().await.unwrap());
    h.store.fault(Verb::Finish, Fault::Silent);
    tokio::time::sleep(SECOND * 2).await;
    call.abort();
    let _ = call.await;
    h.store.fault(Verb::Finish, Fault::None);
    tokio::time::sleep(SECOND * 600).await;
    assert_eq!(value(h.ok(&h.op(), "no").await).0, "v");
    let known = known.lock().unwrap().take().unwrap();
    tokio::time::timeout(LEASE, known.lost()).await.expect("the call has ended");
}
