//! `inspect`, `resolve`, `retry`, `forget`: what operators do with a record.

use std::error::Error as _;

use idem::{Error, InvalidKey, Kind, State, Unsupported};

use crate::support::*;

rows! {
    async fn inspect_shows_the_record(h) {
        assert_eq!(h.op().inspect().await.unwrap(), None);
        h.err(&h.op()).await.unwrap_err();
        assert_eq!(h.op().inspect().await.unwrap(), h.record().await);
        h.ok(&h.op(), "a").await.unwrap();
        let record = h.op().inspect().await.unwrap().unwrap();
        assert_eq!((record.attempt, matches!(record.state, State::Completed(_))), (2, true));
        assert!(h.idem.operation(NAME).key("").inspect().await.is_err());
        assert!(matches!(h.idem.operation(NAME).key(None::<u8>).inspect().await, Err(Error::Config { .. })));
    }

    async fn resolve_settles_an_unknown_outcome(h) {
        let op = h.op().at_most_once().fingerprint("request");
        h.abandon(&op).await;
        assert!(matches!(refusal(h.ok(&op, "b").await), Error::Indeterminate { .. }));
        assert!(op.resolve(&"it was paid".to_owned()).await.unwrap());
        for other in [h.clone(), h.elsewhere()] {
            let op = other.op().at_most_once().fingerprint("request");
            assert_eq!(value(h.ok(&op, "c").await), ("it was paid".into(), Kind::Replayed));
        }
        assert!(matches!(refusal(h.ok(&h.op().fingerprint("other"), "c").await), Error::KeyReused { .. }));
        assert_eq!(h.ran(), 1);
    }

    async fn resolve_mends_a_record_that_cannot_be_read(h) {
        h.op().run(async { Ok::<u32, Declined>(7) }).await.unwrap();
        assert!(matches!(refusal(h.ok(&h.op(), "b").await), Error::Decode { .. }));
        assert!(h.op().resolve(&"seven".to_owned()).await.unwrap());
        assert_eq!(value(h.ok(&h.op(), "b").await), ("seven".into(), Kind::Replayed));
    }

    async fn retry_lets_it_run_again(h) {
        let op = h.op().at_most_once();
        h.abandon(&op).await;
        assert!(op.retry().await.unwrap());
        assert_eq!(value(h.ok(&op, "b").await), ("b".into(), Kind::Executed));
        assert_eq!(h.record().await.unwrap().attempt, 2);
        assert!(op.retry().await.unwrap(), "also what is done");
        assert_eq!(value(h.ok(&op, "c").await), ("c".into(), Kind::Executed));
        assert_eq!(value(h.ok(&op, "d").await), ("c".into(), Kind::Replayed));
    }

    async fn forget_leaves_nothing(h) {
        h.ok(&h.op().fingerprint("one"), "a").await.unwrap();
        let fence = h.record().await.unwrap().fence;
        assert!(h.op().forget().await.unwrap());
        assert_eq!(h.op().inspect().await.unwrap(), None);
        assert!(h.record().await.unwrap().is_blank(), "but for the fence");
        assert!(!h.op().forget().await.unwrap(), "there was none");
        tokio::time::advance(SECOND).await;
        assert_eq!(value(h.ok(&h.op().fingerprint("other"), "b").await), ("b".into(), Kind::Executed));
        assert!(h.record().await.unwrap().fence > fence);
    }

    async fn fences_rise_after_forgetting_though_the_clock_is_set_back(h) {
        h.ok(&h.op(), "a").await.unwrap();
        let fence = h.record().await.unwrap().fence;
        h.op().forget().await.unwrap();
        h.clock.set_back(TTL / 2);
        assert_eq!(value(h.ok(&h.op(), "b").await), ("b".into(), Kind::Executed));
        assert!(h.record().await.unwrap().fence > fence);
    }

    async fn list_shows_the_operations_records_page_by_page(h) {
        if h.kind == crate::support::Kind::CasStore {
            let refused = h.op().list(None).await.unwrap_err();
            assert!(refused.source().unwrap().source().unwrap().is::<Unsupported>(), "{refused:?}");
            return;
        }
        for n in 0..250_u32 {
            h.ok(&h.idem.operation(NAME).key(("acme", n)), "done").await.unwrap();
        }
        h.err(&h.op()).await.unwrap_err();
        h.ok(&h.idem.operation("test.other").key("acme"), "not this one").await.unwrap();
        h.ok(&h.idem.operation("test").key("acme"), "nor this").await.unwrap();
        h.ok(&h.idem.operation(NAME).key("forgotten"), "nor this").await.unwrap();
        h.idem.operation(NAME).key("forgotten").forget().await.unwrap();
        let (mut listed, mut pages, mut after) = (Vec::new(), 0, None);
        loop {
            let page = h.idem.operation(NAME).list(after).await.unwrap();
            listed.extend(page.records);
            pages += 1;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(listed.len(), 251);
        assert!(pages >= 2, "{pages}");
        let mut names: Vec<_> = listed.iter().map(|listed| listed.key.readable()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 251);
        assert!(names.contains(&"(\"acme\", 17)".to_owned()) && names.contains(&"\"k\"".to_owned()), "{names:?}");
        let failed = listed.iter().find(|listed| listed.record.as_ref().unwrap().state == State::Failed).unwrap();
        assert!(h.idem.operation(NAME).at(&failed.key).resolve(&"listed".to_owned()).await.unwrap());
        assert_eq!(value(h.ok(&h.op(), "no").await), ("listed".into(), Kind::Replayed));
        let foreign = h.idem.operation("test").at(&failed.key).inspect().await;
        assert!(matches!(foreign, Err(Error::InvalidKey { reason: InvalidKey::OfAnother, .. })));
    }

    async fn sweep_takes_back_what_is_over_and_nothing_else(h) {
        if let Err(error) = h.idem.sweep(1).await {
            // One that forgets by itself.
            assert!(matches!(error, Error::Store { .. }));
            assert!(h.keeps_bytes());
            return;
        }
        for n in 0..20_u32 {
            let op = h.idem.operation(NAME).key(n).ttl(if n < 10 { SECOND } else { TTL });
            if n % 2 == 0 { h.ok(&op, "done").await.unwrap(); } else { h.err(&op).await.unwrap_err(); }
        }
        assert_eq!(h.idem.sweep(100).await.unwrap(), 0);
        // A store may take a lease to notice.
        h.clock.step(LEASE + SECOND);
        assert_eq!(h.idem.sweep(3).await.unwrap(), 3);
        assert_eq!(h.idem.sweep(100).await.unwrap(), 7);
        assert_eq!(h.idem.sweep(100).await.unwrap(), 0);
        assert_eq!(h.idem.operation(NAME).list(None).await.unwrap().records.len(), 10);
        assert_eq!(value(h.ok(&h.idem.operation(NAME).key(10), "no").await), ("done".into(), Kind::Replayed));
    }

    async fn a_live_lease_is_not_settled(h) {
        let running = h.hang(&h.op()).await;
        let before = h.record().await;
        let refused = [h.op().retry().await, h.op().forget().await, h.op().resolve(&"x".to_owned()).await];
        for refused in refused {
            let error = refused.unwrap_err();
            assert!(matches!(error, Error::InProgress { .. }));
            assert!(error.retry_after().unwrap() <= LEASE);
        }
        assert_eq!(h.record().await, before);
        drop(running);
        landed().await;
        assert!(h.op().forget().await.unwrap());
    }

    async fn whoever_is_settled_over_is_a_former_owner(h) {
        let op = h.op();
        let mine = h.start_failing(&op, 4 * SECOND).await;
        h.clock.step(LEASE);
        assert!(h.op().resolve(&"theirs".to_owned()).await.unwrap());
        mine.await.unwrap().unwrap_err();
        assert_eq!(value(h.ok(&h.op(), "b").await), ("theirs".into(), Kind::Replayed));
    }

    async fn a_silent_store_is_not_waited_for_for_ever(h) {
        let idem = idem::Idem::new(Silent);
        let before = tokio::time::Instant::now();
        assert!(matches!(idem.operation(NAME).key("k").inspect().await, Err(Error::Store { .. })));
        assert_eq!(before.elapsed(), 5 * SECOND);
        assert_eq!(h.op().inspect().await.unwrap(), None, "an honest one answers");
    }

    async fn a_result_that_does_not_come_back_is_refused(h) {
        h.abandon(&h.op()).await;
        assert!(matches!(h.op().resolve(&Some(f64::NAN)).await, Err(Error::Config { .. })));
        assert_eq!(h.record().await.unwrap().state, State::Unknown);
    }
}

/// Never answers.
#[derive(Debug)]
struct Silent;

#[async_trait::async_trait]
impl idem::Store for Silent {
    async fn claim(&self, _: &idem::Key, _: &idem::Claim) -> Result<idem::Claimed, idem::StoreError> {
        std::future::pending().await
    }

    async fn renew(&self, _: &idem::Key, _: idem::Owner) -> Result<idem::Ownership, idem::StoreError> {
        std::future::pending().await
    }

    async fn finish(&self, _: &idem::Key, _: &idem::Finish) -> Result<idem::Ownership, idem::StoreError> {
        std::future::pending().await
    }

    async fn load(&self, _: &idem::Key) -> Result<Option<idem::Record>, idem::StoreError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn retry_does_not_undo_a_success_recorded_after_it_read_the_record() {
    let h = Harness::asking();
    h.abandon(&h.op()).await;
    let hold = h.store.hold(Verb::Load);
    let elsewhere = h.elsewhere();
    let retried = started(async move { elsewhere.op().retry().await }).await; // has read: outcome unknown
    assert_eq!(value(h.ok(&h.op(), "charged").await), ("charged".into(), Kind::Executed)); // took over
    h.store.fault(Verb::Load, Fault::None);
    hold.add_permits(10);
    let answer = retried.await.unwrap();
    assert_eq!(value(h.ok(&h.op(), "charged twice").await), ("charged".into(), Kind::Replayed), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn retry_does_not_undo_a_late_success_of_the_same_owner() {
    let h = Harness::asking();
    let owner = h.start(&h.op(), "charged", SECOND).await;
    h.clock.step(LEASE); // the outcome counts as unknown
    let hold = h.store.hold(Verb::Load);
    let elsewhere = h.elsewhere();
    let retried = started(async move { elsewhere.op().retry().await }).await; // has read: lease expired
    assert_eq!(value(owner.await.unwrap()), ("charged".into(), Kind::Executed)); // recorded after the lease
    h.store.fault(Verb::Load, Fault::None);
    hold.add_permits(10);
    let answer = retried.await.unwrap();
    assert_eq!(value(h.ok(&h.op(), "charged twice").await), ("charged".into(), Kind::Replayed), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn list_shows_a_record_that_changes_between_its_pages() {
    let idem = idem::Idem::new(idem::MokaStore::new());
    for n in 0..2000u32 {
        idem.operation("op").key(n).run(async { Ok::<u32, Declined>(n) }).await.unwrap();
    }
    let op = idem.operation("op").key(1000u32);
    let changes = tokio::spawn(async move {
        loop {
            op.retry().await.unwrap();
            op.resolve(&1u32).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let (key, mut missed) = (idem::Key::new("", "op", &1000u32).unwrap(), 0);
    for _ in 0..30 {
        let (mut after, mut seen) = (None, false);
        loop {
            let page = idem.operation("op").list(after).await.unwrap();
            seen |= page.records.iter().any(|listed| listed.key == key);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        missed += usize::from(!seen);
    }
    changes.abort();
    assert_eq!(missed, 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_of_an_operator_that_fails_is_sent_again() {
    let h = Harness::asking();
    h.abandon(&h.op()).await;
    for (verb, fault) in
        [(Verb::Load, Fault::NotApplied(1)), (Verb::Settle, Fault::NotApplied(1)), (Verb::Settle, Fault::Lost(1))]
    {
        h.store.fault(verb, fault.clone());
        let answer = h.op().retry().await;
        assert!(answer.is_ok(), "{verb:?} {fault:?}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_says_unknown_if_any_of_its_requests_may_have_been_applied() {
    let idem = idem::Idem::new(Broken::new(Bug::ForgetsThatItSettled));
    let op = idem.operation("op").key(1);
    let _: idem::Outcome<u32> = op.run(async { Ok::<_, Declined>(1) }).await.unwrap();
    match op.forget().await {
        Err(Error::Store { source, .. }) => assert_eq!(source.applied(), idem::Applied::Unknown),
        other => panic!("{other:?}"),
    }
}
