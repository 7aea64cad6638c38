//! "How a run ends".

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use idem::{CallError, Error, Kind, State, Store};
use serde::{Deserialize, Serialize};

use crate::support::*;

rows! {
    async fn ok__completed_and_the_value(h) {
        assert_eq!(value(h.ok(&h.op(), "a").await), ("a".into(), Kind::Executed));
        assert!(matches!(h.record().await.unwrap().state, State::Completed(_)));
        assert_eq!((h.store.count(Verb::Claim), h.store.count(Verb::Finish)), (1, 1));
    }

    async fn err__failed_and_the_error_unchanged(h) {
        assert!(matches!(h.err(&h.op()).await, Err(CallError::Body(Declined))));
        let record = h.record().await.unwrap();
        assert_eq!((record.state, record.attempt), (State::Failed, 1));
    }

    async fn panic__unknown_and_the_panic_goes_on(h) {
        let panicking = { let h = h.clone(); async move { h.op().run(async { panic_now::<String>() }).await } };
        let panic = tokio::spawn(panicking).await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"the body's own"));
        landed().await;
        assert_eq!(h.record().await.unwrap().state, State::Unknown);
        assert_eq!(value(h.ok(&h.op(), "b").await), ("b".into(), Kind::Executed));
    }

    async fn dropped_while_its_claim_is_out__failed_and_no_attempt(h) {
        h.drop_in_claim(&h.op()).await;
        let record = h.record().await.unwrap();
        assert_eq!((record.state, record.attempt), (State::Failed, 0));
        assert_eq!(value(h.ok(&h.op(), "b").await), ("b".into(), Kind::Executed));
        assert_eq!(h.ran(), 1);
    }

    async fn dropped_before_the_first_poll__the_store_is_not_asked(h) {
        drop(h.ok(&h.op(), "a"));
        drop(h.op().run(async { Ok::<_, Declined>(1) }));
        assert_eq!((h.store.count(Verb::Claim), h.store.count(Verb::Finish)), (0, 0));
    }

    async fn withdrawing_a_claim_does_not_make_an_unknown_outcome_known(h) {
        h.abandon(&h.op()).await;
        h.drop_in_claim(&h.op()).await;
        let record = h.record().await.unwrap();
        assert_eq!((record.state, record.attempt), (State::Unknown, 1));
    }

    async fn dropped_while_the_body_runs__unknown_after_the_body_was_dropped(h) {
        struct Observer(Harness, Arc<AtomicBool>);
        impl Drop for Observer {
            fn drop(&mut self) {
                let record = self.0.record_now().unwrap();
                self.1.store(matches!(record.state, State::Running { .. }), Ordering::SeqCst);
            }
        }
        let still_running = Arc::new(AtomicBool::new(false));
        let observer = Observer(h.clone(), Arc::clone(&still_running));
        let op = h.op();
        let mut call = Box::pin(op.run(async move {
            let _observer = observer;
            std::future::pending::<Result<String, Declined>>().await
        }));
        assert!(polled_once_is_pending(call.as_mut()).await);
        drop(call);
        landed().await;
        assert!(still_running.load(Ordering::SeqCst), "the key was still held when the body was dropped");
        assert_eq!(h.record().await.unwrap().state, State::Unknown, "in the drop itself");
    }

    async fn dropped_while_the_body_runs_detached__runs_on(h) {
        let body = { let h = h.clone(); async move {
            h.count_run();
            tokio::time::sleep(40 * SECOND).await;
            Ok::<_, Declined>("a".to_owned())
        } };
        let op = h.op().detached();
        let mut call = Box::pin(op.run(body));
        assert!(polled_once_is_pending(call.as_mut()).await);
        settle().await;
        assert_eq!(h.ran(), 1);
        drop(call);
        assert!(matches!(h.record().await.unwrap().state, State::Running { .. }));
        assert_eq!(value(h.ok(&h.op().wait(60 * SECOND), "b").await), ("a".into(), Kind::Attached));
        assert_eq!(h.ran(), 1);
    }

    async fn detached__answers_like_any_other(h) {
        let run = |result: Result<String, Declined>| {
            let h = h.clone();
            h.op().detached().run(async move { h.count_run(); result })
        };
        assert!(matches!(run(Err(Declined)).await, Err(CallError::Body(Declined))));
        assert_eq!(value(run(Ok("a".into())).await), ("a".into(), Kind::Executed));
        assert_eq!(value(run(Ok("b".into())).await), ("a".into(), Kind::Replayed));
        let unguarded = h.idem.operation(NAME).key(None::<u8>).detached().run(async { Ok::<_, Declined>("c".into()) });
        assert_eq!(value(unguarded.await), ("c".into(), Kind::Unguarded));
        assert_eq!(h.ran(), 2);
    }

    async fn detached_panic__unknown_and_the_panic_goes_on(h) {
        let call = h.op().detached().run(async { panic_now::<String>() });
        let panic = tokio::spawn(call).await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"the body's own"));
        landed().await;
        assert_eq!(h.record().await.unwrap().state, State::Unknown);
    }

    async fn detached__knows_its_own_key_from_inside(h) {
        let inner = h.clone();
        let outer = h.op().detached().run(async move {
            Ok::<_, Declined>(matches!(refusal(inner.ok(&inner.op(), "x").await), Error::Reentrant { .. }))
        });
        assert!(outer.await.unwrap().into_inner());
    }

    async fn dropped_once_the_body_has_ended__lands_in_the_background(h) {
        for (fails, state) in [(true, "Failed"), (false, "Completed")] {
            let hold = h.store.hold(Verb::Finish);
            let op = h.op();
            let call = started({ let h = h.clone(); async move {
                if fails { h.err(&op).await } else { h.ok(&op, "a").await }
            } }).await;
            tokio::time::sleep(SECOND).await;
            call.abort();
            call.await.unwrap_err();
            hold.add_permits(1000);
            settle().await;
            assert!(format!("{:?}", h.record().await.unwrap().state).starts_with(state));
        }
        assert_eq!(value(h.ok(&h.op(), "b").await), ("a".into(), Kind::Replayed));
        assert_eq!(h.ran(), 2);
    }

    async fn process_killed__the_lease_runs_out(h) {
        std::mem::forget(h.hang(&h.op()).await);
        let elsewhere = h.elsewhere();
        assert!(matches!(refusal(h.ok(&elsewhere.op().wait(LEASE - SECOND), "b").await), Error::InProgress { .. }));
        assert_eq!(value(h.ok(&elsewhere.op(), "b").await), ("b".into(), Kind::Executed));
    }

    async fn success_that_cannot_be_encoded__unreplayable_and_the_value(h) {
        let op = |key: &'static str| h.idem.operation(NAME).key(key);
        macro_rules! case {
            ($key:literal, $value:expr) => {
                let run = || async { op($key).run(async { h.count_run(); Ok::<_, Declined>($value) }).await };
                let ran = h.ran();
                assert_eq!(run().await.expect("its own caller gets the value").kind(), Kind::Executed);
                let refused = match run().await { Err(CallError::Idem(error)) => error, _ => panic!("{} ran again", $key) };
                assert!(matches!(refused, Error::Unreplayable { .. }), $key);
                assert_eq!(h.ran(), ran + 1, $key);
            };
        }
        case!("keys are no text", std::collections::BTreeMap::from([((1, 2), 3)]));
        case!("some around null", Some(()));
        case!("some of none", Some(None::<u8>));
        case!("nan", f64::NAN);
        case!("some of nan", Some(f64::NAN));
        case!("infinite", vec![f64::INFINITY]);
        case!("over a MiB", "x".repeat(1024 * 1024));
        case!("does not serialize", Liar { fail: true, ..Liar::default() });
        case!("panics in it", Liar { panic: true, ..Liar::default() });
        case!("decodes to something else", Liar { lie: true, ..Liar::default() });
        let honest = || op("honest").run(async { Ok::<_, Declined>(Liar::default()) });
        assert_eq!(honest().await.unwrap().kind(), Kind::Executed);
        assert_eq!(honest().await.unwrap().kind(), Kind::Replayed);
        let large = || op("large").run(async { Ok::<_, Declined>("x".repeat(1024 * 1024 - 100)) });
        assert_eq!(large().await.unwrap().kind(), Kind::Executed);
        assert_eq!(large().await.unwrap().kind(), Kind::Replayed);
    }

    async fn any_with_a_silent_store__the_value_and_it_lands_later(h) {
        let hold = h.store.hold(Verb::Finish);
        let before = tokio::time::Instant::now();
        assert_eq!(value(h.ok(&h.op(), "a").await), ("a".into(), Kind::Executed));
        assert_eq!(before.elapsed(), 5 * SECOND);
        hold.add_permits(1000);
        tokio::time::sleep(10 * SECOND).await;
        assert_eq!(value(h.ok(&h.op(), "b").await).0, "a");
        assert_eq!(h.ran(), 1);
    }

    async fn any_with_lost_answers__sent_again(h) {
        h.store.fault(Verb::Finish, Fault::Lost(3));
        assert_eq!(value(h.ok(&h.op(), "a").await), ("a".into(), Kind::Executed));
        assert_eq!(h.store.count(Verb::Finish), 4);
        assert_eq!(value(h.ok(&h.op(), "b").await).0, "a");
    }

    async fn a_result_the_store_will_not_hold__the_value_and_unreplayable(h) {
        h.store.fault(Verb::Record, Fault::Refused);
        assert_eq!(value(h.ok(&h.op(), "a").await), ("a".into(), Kind::Executed));
        assert!(matches!(refusal(h.ok(&h.op(), "b").await), Error::Unreplayable { .. }));
        assert_eq!(h.ran(), 1);
    }

    async fn a_store_that_refuses_every_ending__the_value_and_done_stays_done(h) {
        h.store.fault(Verb::Finish, Fault::Refused);
        let before = tokio::time::Instant::now();
        assert_eq!(value(h.ok(&h.op(), "a").await), ("a".into(), Kind::Executed));
        assert_eq!(before.elapsed(), Duration::ZERO, "nobody waits for a refusal to change");
        for other in [h.clone(), h.elsewhere()] {
            tokio::time::sleep(60 * SECOND).await;
            assert!(matches!(refusal(h.ok(&other.op().wait(SECOND), "b").await), Error::InProgress { .. }));
        }
        h.store.fault(Verb::Finish, Fault::None);
        assert_eq!(value(h.ok(&h.op(), "b").await).0, "a", "it was mended, and the result is there");
        assert_eq!(h.ran(), 1);
    }

    async fn any_with_a_silent_store__renewed_until_it_lands(h) {
        let hold = h.store.hold(Verb::Record);
        assert_eq!(value(h.ok(&h.op(), "a").await), ("a".into(), Kind::Executed));
        for other in [h.clone(), h.elsewhere()] {
            tokio::time::sleep(60 * SECOND).await;
            assert!(matches!(refusal(h.ok(&other.op().wait(SECOND), "b").await), Error::InProgress { .. }));
        }
        hold.add_permits(1000);
        tokio::time::sleep(20 * SECOND).await;
        assert_eq!(value(h.ok(&h.op(), "b").await), ("a".into(), Kind::Replayed));
        assert_eq!(h.ran(), 1);
    }

    async fn what_died_with_its_caller_is_not_renewed(h) {
        let _hold = h.store.hold(Verb::Finish);
        h.abandon(&h.op()).await;
        tokio::time::sleep(LEASE + 10 * SECOND).await;
        let (sent, renewed) = (h.store.count(Verb::Finish), h.store.count(Verb::Renew));
        assert_eq!(renewed, 0);
        tokio::time::sleep(TTL / 2).await;
        assert_eq!(h.store.count(Verb::Finish), sent, "nor sent for longer than its lease");
    }

    async fn a_store_that_panics_in_a_drop_does_not_end_the_process(h) {
        h.store.fault(Verb::Finish, Fault::Panics);
        let panicking = { let h = h.clone(); async move { h.op().run(async { panic_now::<String>() }).await } };
        let panic = tokio::spawn(panicking).await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"the body's own"));
    }

    async fn a_detached_body_that_begins_after_its_lease_asks_again(h) {
        let tasks = Arc::new(std::sync::Mutex::new(Vec::new()));
        let queue = Arc::clone(&tasks);
        let busy = idem::Idem::builder(h.store.clone()).spawner(move |task| queue.lock().unwrap().push(task)).build().unwrap();
        for taken_over in [false, true] {
            let name = if taken_over { "taken over" } else { "left alone" };
            let body = { let h = h.clone(); async move { h.count_run(); Ok::<_, Declined>("late".to_owned()) } };
            let call = started(busy.operation(name).key("k").detached().run(body)).await;
            tokio::time::sleep(20 * SECOND).await;
            if taken_over {
                h.ok(&h.idem.operation(name).key("k"), "theirs").await.unwrap();
            }
            let task = tasks.lock().unwrap().pop().expect("it was granted and queued");
            task.await;
            let expected = if taken_over { ("theirs".to_owned(), Kind::Replayed) } else { ("late".into(), Kind::Executed) };
            assert_eq!(value(call.await.unwrap()), expected);
            let record = h.store.inner().load(&idem::Key::new("", name, "k").unwrap()).await.unwrap().unwrap();
            assert_eq!(record.attempt, if taken_over { 2 } else { 1 }, "asking again is no other attempt");
        }
        assert_eq!(h.ran(), 2);
    }

    async fn a_body_that_is_never_out_of_work_keeps_its_key(h) {
        let busy = h.op().run(async {
            let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
            for _ in 0..60 {
                let mut advance = Box::pin(tokio::time::advance(SECOND));
                // The time goes by within a poll; the body pauses only where its cooperative budget is spent.
                std::future::poll_fn(|cx| { let _ = advance.as_mut().poll(cx); std::task::Poll::Ready(()) }).await;
                for _ in 0..1000 {
                    send.send(()).unwrap();
                    receive.recv().await.unwrap();
                }
            }
            Ok::<_, Declined>("a".to_owned())
        });
        assert_eq!(value(busy.await), ("a".into(), Kind::Executed));
        let renewals = h.store.count(Verb::Renew);
        assert!((10..=13).contains(&renewals), "every third of the lease: {renewals}");
    }

    async fn user_code_that_panics_after_success_does_not_undo_it(h) {
        let run = |key: &'static str, how: How| {
            let call = charged(h.idem.clone(), key, how);
            // Its own drop is its caller's affair.
            async move { call.await.map(|grenade| std::mem::ManuallyDrop::new(grenade).how) }
        };
        for (key, how) in [("clone", How::Clone), ("drop", How::Drop), ("nothing", How::Nothing)] {
            assert_eq!(run(key, how).await.unwrap(), how, "{key}: the value");
            assert_eq!(run(key, how).await.unwrap(), how, "{key}: replayed");
        }
        // What the store remembers is dropped in somebody else's call.
        tokio::time::advance(2 * TTL).await;
        assert_eq!(run("drop", How::Nothing).await.unwrap(), How::Nothing);
    }

    async fn a_long_run_keeps_its_key(h) {
        let first = h.start(&h.op(), "a", 100 * SECOND).await;
        for _ in 0..9 {
            tokio::time::sleep(10 * SECOND).await;
            let other = h.elsewhere();
            assert!(matches!(refusal(h.ok(&other.op().wait(Duration::ZERO), "b").await), Error::InProgress { .. }));
        }
        assert_eq!(value(first.await.unwrap()), ("a".into(), Kind::Executed));
        let renewals = h.store.count(Verb::Renew);
        assert!((18..=20).contains(&renewals), "every third of the lease: {renewals}");
    }

    async fn a_renewal_that_fails_is_tried_again(h) {
        h.store.fault(Verb::Renew, Fault::Refused);
        let first = h.start(&h.op(), "a", 100 * SECOND).await;
        tokio::time::sleep(12 * SECOND).await;
        h.store.fault(Verb::Renew, Fault::None);
        tokio::time::sleep(10 * SECOND).await;
        let other = h.elsewhere();
        assert!(matches!(refusal(h.ok(&other.op().wait(Duration::ZERO), "b").await), Error::InProgress { .. }));
        assert_eq!(value(first.await.unwrap()), ("a".into(), Kind::Executed));
        assert_eq!(h.ran(), 1);
    }

    async fn a_short_body_makes_no_renewal(h) {
        h.ok_after(&h.op(), "a", 4 * SECOND).await.unwrap();
        assert_eq!(h.store.count(Verb::Renew), 0);
    }
}

/// A type whose serialization does as it is told.
#[derive(Debug, Default, Deserialize)]
struct Liar {
    #[serde(default)]
    fail: bool,
    #[serde(default)]
    panic: bool,
    #[serde(default)]
    lie: bool,
}

impl Serialize for Liar {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown {
            lie: bool,
            told: bool,
        }
        assert!(!self.panic, "told to panic");
        if self.fail {
            return Err(serde::ser::Error::custom("told to fail"));
        }
        Shown { lie: false, told: self.lie }.serialize(serializer)
    }
}

/// Panics where it is told to, but not before the test has let go of it.
#[derive(Debug, Serialize, Deserialize)]
struct Grenade {
    how: How,
    /// Only what was decoded goes off.
    #[serde(skip, default = "yes")]
    remembered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum How {
    Nothing,
    Clone,
    Drop,
}

fn yes() -> bool {
    true
}

impl Clone for Grenade {
    fn clone(&self) -> Self {
        assert!(self.how != How::Clone, "told to panic in Clone");
        Self { how: self.how, remembered: false }
    }
}

impl Drop for Grenade {
    fn drop(&mut self) {
        assert!(self.how != How::Drop || !self.remembered, "told to panic in Drop");
    }
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct OnlyOurs(#[from] Error);

#[idem::idempotent(name = "grenade", key = key, idem = idem)]
async fn charged(idem: idem::Idem, key: &'static str, how: How) -> Result<Grenade, OnlyOurs> {
    Ok(Grenade { how, remembered: false })
}

fn panic_now<T>() -> Result<T, Declined> {
    std::panic::panic_any("the body's own")
}

/// What a future that needs no waiting comes to.
#[cfg(not(stores))]
fn futures_now<T>(future: impl Future<Output = T>) -> T {
    struct Nobody;
    impl std::task::Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(&Arc::new(Nobody).into())) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[test]
#[cfg(not(stores))] // in memory only
#[allow(non_snake_case)]
fn nothing_to_spawn_on__detached_is_config_and_a_drop_ends_in_memory() {
    let h = Harness::new(crate::support::Kind::Peeking);
    let refused = futures_now(h.op().detached().run(async { Ok::<_, Declined>("a".to_owned()) }));
    assert!(matches!(refusal(refused), Error::Config { .. }));
    assert_eq!(h.store.count(Verb::Claim), 0);
    assert_eq!(value(futures_now(h.ok(&h.op(), "a"))), ("a".into(), Kind::Executed));
    assert_eq!(value(futures_now(h.ok(&h.op(), "b"))), ("a".into(), Kind::Replayed));
    let other = h.idem.operation(NAME).key("other");
    futures_now(h.abandon(&other));
    assert_eq!(value(futures_now(h.ok(&other, "c"))).1, Kind::Executed);
}

#[tokio::test(start_paused = true)]
async fn a_success_that_could_not_be_recorded_is_not_run_again_by_its_process() {
    let h = Harness::asking();
    let all = [Verb::Claim, Verb::Renew, Verb::Finish, Verb::Load];
    let call = h.start(&h.op(), "charged", SECOND).await;
    all.iter().for_each(|verb| h.store.fault(*verb, Fault::NotApplied(usize::MAX)));
    assert_eq!(value(call.await.unwrap()).0, "charged");
    // The lease is renewed for a while; then renewals fail, too.
    h.store.fault(Verb::Renew, Fault::None);
    tokio::time::sleep(SECOND * 30).await;
    h.store.fault(Verb::Renew, Fault::NotApplied(usize::MAX));
    tokio::time::sleep(SECOND * 30).await;
    h.clock.step(SECOND * 60);
    all.iter().for_each(|verb| h.store.fault(*verb, Fault::None));
    assert_eq!(value(h.ok(&h.op(), "charged twice").await), ("charged".into(), Kind::Attached));
    assert_eq!(h.ran(), 1);
}
