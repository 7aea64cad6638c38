//! Single flight: calls of one key meet in the process before they meet in the store.

use std::time::Duration;

use idem::{Error, Kind};

use crate::support::*;

rows! {
    async fn a_thousand_callers__one_claim_one_run(h) {
        let mut calls = Vec::new();
        for _ in 0..1000 {
            let h = h.clone();
            calls.push(tokio::spawn(async move { h.ok_after(&h.op(), "a", 20 * SECOND).await }));
        }
        let mut executed = 0;
        for call in calls {
            let (result, kind) = value(call.await.unwrap());
            assert_eq!(result, "a");
            assert!(matches!(kind, Kind::Executed | Kind::Attached));
            executed += usize::from(kind == Kind::Executed);
        }
        assert_eq!((executed, h.ran()), (1, 1));
        assert_eq!(h.store.count(Verb::Claim), 1);
    }

    async fn a_thousand_callers_of_a_call_elsewhere__one_poller(h) {
        let first = h.start(&h.op(), "a", 20 * SECOND).await;
        let other = h.elsewhere();
        let before = h.store.count(Verb::Claim);
        let mut calls = Vec::new();
        for _ in 0..1000 {
            let other = other.clone();
            calls.push(tokio::spawn(async move { other.ok(&other.op(), "b").await }));
        }
        for call in calls {
            assert_eq!(value(call.await.unwrap()), ("a".into(), Kind::Attached));
        }
        first.await.unwrap().unwrap();
        let asked = h.store.count(Verb::Claim) - before;
        assert!((40..100).contains(&asked), "one poller, twice a second at the most: {asked}");
    }

    async fn a_follower_of_a_poller_hears_when_to_retry(h) {
        let op = h.op().lease(4 * SECOND);
        let _first = h.start(&op, "a", 60 * SECOND).await;
        tokio::time::sleep(30 * SECOND).await;
        let other = h.elsewhere();
        let _poller = started({ let other = other.clone(); async move { other.ok(&other.op(), "b").await } }).await;
        let asked = h.store.count(Verb::Claim);
        let refused = refusal(other.ok(&other.op().wait(Duration::ZERO), "c").await);
        assert_eq!(h.store.count(Verb::Claim), asked, "it did not ask itself");
        let retry_after = refused.retry_after().unwrap();
        assert!(retry_after > SECOND && retry_after <= 4 * SECOND, "by the run's age and its lease: {retry_after:?}");
    }

    async fn followers_of_a_claim_that_found_a_result__replay(h) {
        h.ok(&h.op(), "a").await.unwrap();
        let other = h.elsewhere();
        let hold = h.store.hold(Verb::Claim);
        let calls: Vec<_> = (0..10).map(|_| { let other = other.clone(); tokio::spawn(async move { other.ok(&other.op(), "b").await }) }).collect();
        settle().await;
        hold.add_permits(1000);
        for call in calls {
            assert_eq!(value(call.await.unwrap()), ("a".into(), Kind::Replayed));
        }
    }

    async fn a_follower_of_a_refused_claim_asks_for_itself(h) {
        h.ok(&h.op().fingerprint("one"), "a").await.unwrap();
        let other = h.elsewhere();
        let hold = h.store.hold(Verb::Claim);
        let wrong = started({ let other = other.clone(); async move { other.ok(&other.op().fingerprint("other"), "b").await } }).await;
        let right = started({ let other = other.clone(); async move { other.ok(&other.op().fingerprint("one"), "b").await } }).await;
        hold.add_permits(1000);
        assert!(matches!(refusal(wrong.await.unwrap()), Error::KeyReused { .. }));
        assert_eq!(value(right.await.unwrap()), ("a".into(), Kind::Replayed));
    }

    async fn a_leader_dropped_in_its_claim_makes_way(h) {
        let hold = h.store.hold(Verb::Claim);
        let first = started({ let h = h.clone(); async move { h.ok(&h.op(), "a").await } }).await;
        let second = started({ let h = h.clone(); async move { h.ok(&h.op(), "b").await } }).await;
        first.abort();
        hold.add_permits(1000);
        assert_eq!(value(second.await.unwrap()), ("b".into(), Kind::Executed));
        assert_eq!(h.ran(), 1);
    }

    async fn a_leader_dropped_in_a_claim_that_never_came_makes_way_at_once(h) {
        h.store.fault(Verb::Claim, Fault::Silent);
        let first = started({ let h = h.clone(); async move { h.ok(&h.op(), "a").await } }).await;
        let second = started({ let h = h.clone(); async move { h.ok(&h.op(), "b").await } }).await;
        h.store.fault(Verb::Claim, Fault::None);
        let dropped = tokio::time::Instant::now();
        first.abort();
        assert_eq!(value(second.await.unwrap()), ("b".into(), Kind::Executed));
        assert!(dropped.elapsed() < 3 * SECOND, "{:?}", dropped.elapsed());
        assert_eq!(h.ran(), 1);
    }

    async fn a_leader_that_is_not_polled_in_its_claim_makes_way(h) {
        let hold = h.store.hold(Verb::Claim);
        let op = h.op();
        let mut unpolled = Box::pin(h.ok(&op, "a"));
        std::future::poll_fn(|cx| {
            assert!(std::future::Future::poll(unpolled.as_mut(), cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        hold.add_permits(1000);
        let before = tokio::time::Instant::now();
        let second = h.ok(&h.op().wait(60 * SECOND), "b").await;
        assert_eq!(value(second), ("b".into(), Kind::Executed), "once the first one's lease is over");
        assert!(before.elapsed() < LEASE + 2 * SECOND);
        assert_eq!(value(unpolled.await), ("b".into(), Kind::Replayed));
        assert_eq!(h.ran(), 1);
    }

    async fn the_end_of_a_call_that_was_taken_over_disturbs_nobody(h) {
        let unpolled = h.hang(&h.op()).await;
        tokio::time::sleep(LEASE).await;
        let theirs = h.start(&h.op(), "theirs", 10 * SECOND).await;
        drop(unpolled);
        let claims = h.store.count(Verb::Claim);
        assert_eq!(value(h.ok(&h.op(), "c").await), ("theirs".into(), Kind::Attached));
        assert_eq!(h.store.count(Verb::Claim), claims, "it followed the call that runs");
        theirs.await.unwrap().unwrap();
    }

    async fn followers_of_a_claim_hear_its_answer_at_once(h) {
        let hold = h.store.hold(Verb::Claim);
        let _first = h.start(&h.op().fingerprint("one"), "a", 20 * SECOND).await;
        let impatient = started({ let h = h.clone(); async move { h.ok(&h.op().wait(Duration::ZERO), "b").await } }).await;
        let other = started({ let h = h.clone(); async move { h.ok(&h.op().fingerprint("other"), "b").await } }).await;
        let before = tokio::time::Instant::now();
        hold.add_permits(1000);
        assert!(matches!(refusal(impatient.await.unwrap()), Error::InProgress { .. }));
        assert!(matches!(refusal(other.await.unwrap()), Error::KeyReused { .. }));
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    async fn a_thousand_callers_of_a_silent_store__one_time_out(h) {
        let _hold = h.store.hold(Verb::Claim);
        let before = tokio::time::Instant::now();
        let calls: Vec<_> = (0..1000).map(|_| { let h = h.clone(); tokio::spawn(async move { h.ok(&h.op(), "a").await }) }).collect();
        for call in calls {
            assert!(matches!(refusal(call.await.unwrap()), Error::Store { .. }));
        }
        assert_eq!(before.elapsed(), 5 * SECOND);
        assert_eq!((h.store.count(Verb::Claim), h.ran()), (1, 0));
    }

    async fn a_store_may_hint_as_often_as_it_likes(h) {
        let _first = h.start(&h.op(), "a", 60 * SECOND).await;
        let hinted = idem::Idem::new(h.store.clone().with_notifications());
        let before = h.store.count(Verb::Claim);
        let op = hinted.operation(NAME).key("k").wait(2 * SECOND);
        assert!(matches!(refusal(h.ok(&op, "b").await), Error::InProgress { .. }));
        let asked = h.store.count(Verb::Claim) - before;
        assert!((100..=210).contains(&asked), "a hundred times a second at the most: {asked}");
    }

    async fn each_waits_for_its_own_patience(h) {
        let _first = h.start(&h.op(), "a", 60 * SECOND).await;
        for seconds in [3, 1, 2] {
            let before = tokio::time::Instant::now();
            let wait = Duration::from_secs(seconds);
            assert!(matches!(refusal(h.ok(&h.op().wait(wait), "b").await), Error::InProgress { .. }));
            assert_eq!(before.elapsed(), wait);
        }
        assert_eq!(h.store.count(Verb::Claim), 1, "none of them asked the store");
    }

    async fn a_dropped_follower_changes_nothing(h) {
        let first = h.start(&h.op(), "a", 20 * SECOND).await;
        let follower = started({ let h = h.clone(); async move { h.ok(&h.op(), "b").await } }).await;
        follower.abort();
        follower.await.unwrap_err();
        assert_eq!(value(first.await.unwrap()), ("a".into(), Kind::Executed));
        assert_eq!((h.store.count(Verb::Claim), h.store.count(Verb::Finish)), (1, 1));
    }

    async fn after_a_failure_the_waiting_run_one_by_one(h) {
        let mut calls = Vec::new();
        for _ in 0..5 {
            let h = h.clone();
            calls.push(tokio::spawn(async move { h.err_after(&h.op(), SECOND).await }));
        }
        for call in calls {
            call.await.unwrap().unwrap_err();
        }
        assert_eq!(h.ran(), 5);
        assert_eq!(h.record().await.unwrap().attempt, 5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_keys_many_callers_on_many_threads() {
    let idem = idem::Idem::new(idem::MokaStore::new());
    let ran = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut calls = Vec::new();
    for call in 0..20_000_u32 {
        let (idem, ran) = (idem.clone(), ran.clone());
        calls.push(tokio::spawn(async move {
            let key = call % 500;
            let answer = idem.operation("many").key(key).run(async {
                tokio::task::yield_now().await;
                ran.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                Ok::<_, Declined>(key)
            });
            assert_eq!(answer.await.unwrap().into_inner(), key);
        }));
    }
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(ran.load(std::sync::atomic::Ordering::SeqCst), 500);
}

/// Grants every claim and has forgotten it when its run ends.
#[derive(Debug)]
struct Forgetful(std::sync::Arc<std::sync::atomic::AtomicUsize>);

#[async_trait::async_trait]
impl idem::Store for Forgetful {
    async fn claim(&self, _: &idem::Key, claim: &idem::Claim) -> Result<idem::Claimed, idem::StoreError> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(idem::Claimed::Granted(idem::Grant::new(1, 1, claim.fingerprint, false)))
    }

    async fn renew(&self, _: &idem::Key, _: idem::Owner) -> Result<idem::Ownership, idem::StoreError> {
        Ok(idem::Ownership::Held)
    }

    async fn finish(&self, _: &idem::Key, _: &idem::Finish) -> Result<idem::Ownership, idem::StoreError> {
        Ok(idem::Ownership::Lost)
    }

    async fn load(&self, _: &idem::Key) -> Result<Option<idem::Record>, idem::StoreError> {
        Ok(None)
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_grants_and_forgets_is_not_asked_without_a_pause() {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let idem = idem::Idem::new(Forgetful(asked.clone()));
    let answer = idem.operation(NAME).key("k").run(async { Ok::<_, Declined>("a".to_owned()) }).await;
    assert_eq!(value(answer), ("a".into(), Kind::Executed));
    let asked = asked.load(std::sync::atomic::Ordering::SeqCst);
    assert!(asked < 40, "{asked}");
}
