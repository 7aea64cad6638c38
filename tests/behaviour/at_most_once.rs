//! `at_most_once`: after an attempt whose outcome is unknown, never again.

use std::time::Duration;

use idem::{idempotent, Error, Idem, Kind, State};

use crate::support::*;

fn indeterminate(answer: Answer<String>) -> u32 {
    match refusal(answer) {
        error @ Error::Indeterminate { attempt, .. } => {
            assert!(!error.is_retryable() && error.retry_after().is_none());
            attempt
        }
        error => panic!("{error}"),
    }
}

rows! {
    async fn unknown_same__indeterminate_by_the_records_policy(h) {
        h.abandon(&h.op().at_most_once()).await;
        for other in [h.clone(), h.elsewhere()] {
            assert_eq!(indeterminate(h.ok(&other.op(), "b").await), 1);
        }
        assert_eq!(h.record().await.unwrap().state, State::Unknown);
        assert_eq!(h.ran(), 1);
    }

    async fn unknown_same__indeterminate_by_the_callers_policy(h) {
        h.abandon(&h.op()).await;
        assert_eq!(indeterminate(h.ok(&h.op().at_most_once(), "b").await), 1);
        assert_eq!(value(h.ok(&h.op(), "b").await), ("b".into(), Kind::Executed), "who does not mind runs");
        assert_eq!(value(h.ok(&h.op().at_most_once(), "c").await), ("b".into(), Kind::Replayed));
    }

    async fn panicked__indeterminate(h) {
        let panicking = { let h = h.clone(); async move {
            h.op().at_most_once().run(async { if h.ran() == 0 { panic!("the body's own") }; Ok::<String, Declined>("a".into()) }).await
        } };
        tokio::spawn(panicking).await.unwrap_err();
        assert_eq!(indeterminate(h.ok(&h.op().at_most_once(), "b").await), 1);
        assert_eq!(h.ran(), 0);
    }

    async fn lease_over_same__indeterminate_also_while_waiting(h) {
        std::mem::forget(h.hang(&h.op().at_most_once()).await);
        let other = h.elsewhere();
        let before = tokio::time::Instant::now();
        assert_eq!(indeterminate(h.ok(&other.op().at_most_once(), "b").await), 1);
        assert!(before.elapsed() >= LEASE && before.elapsed() < LEASE + SECOND);
        assert_eq!(indeterminate(h.ok(&other.op().at_most_once(), "b").await), 1);
        assert_eq!(h.ran(), 1);
    }

    async fn different__key_reused(h) {
        h.abandon(&h.op().at_most_once().fingerprint("one")).await;
        let other = h.op().at_most_once().fingerprint("other");
        assert!(matches!(refusal(h.ok(&other, "b").await), Error::KeyReused { .. }));
        let same = h.op().at_most_once().fingerprint("one");
        assert_eq!(indeterminate(h.ok(&same, "b").await), 1);
    }

    async fn a_known_failure_may_be_tried_again(h) {
        let op = h.op().at_most_once();
        h.err(&op).await.unwrap_err();
        assert_eq!(value(h.ok(&op, "b").await), ("b".into(), Kind::Executed));
        assert_eq!(value(h.ok(&op, "c").await), ("b".into(), Kind::Replayed));
    }

    async fn a_claim_that_never_ran_may_be_tried_again(h) {
        h.drop_in_claim(&h.op().at_most_once()).await;
        assert_eq!(value(h.ok(&h.op().at_most_once(), "b").await), ("b".into(), Kind::Executed));
    }

    async fn waiting_calls_hear_it_when_the_running_one_is_dropped(h) {
        let op = h.op().at_most_once();
        let running = h.hang(&op).await;
        let mut waiting = Vec::new();
        for other in [h.clone(), h.clone(), h.elsewhere()] {
            waiting.push(started(async move { other.ok(&other.op().at_most_once(), "b").await }).await);
        }
        drop(running);
        for call in waiting {
            assert_eq!(indeterminate(call.await.unwrap()), 1);
        }
        assert_eq!(h.ran(), 1);
    }

    async fn unknown__indeterminate_until_the_ttl_ends(h) {
        let op = h.op().at_most_once();
        h.abandon(&op).await;
        h.clock.step(TTL - SECOND);
        assert_eq!(indeterminate(h.ok(&op, "no").await), 1);
        h.clock.step(SECOND);
        assert_eq!(value(h.ok(&op, "again").await), ("again".into(), Kind::Executed));
        assert_eq!(h.ran(), 2);
    }

    async fn success_lease_lost__completed_over_an_unknown_record(h) {
        let op = h.op().at_most_once();
        let mine = h.start(&op, "mine", 4 * SECOND).await;
        h.clock.step(LEASE + TTL);
        h.abandon(&h.elsewhere().op().at_most_once()).await;
        assert_eq!(value(mine.await.unwrap()), ("mine".into(), Kind::Executed));
        assert_eq!(value(h.ok(&h.op().at_most_once(), "c").await), ("mine".into(), Kind::Replayed));
    }

    async fn a_late_success_of_the_last_owner_lands(h) {
        let op = h.op().at_most_once();
        let mine = h.start(&op, "mine", 4 * SECOND).await;
        h.clock.step(LEASE);
        let other = h.elsewhere();
        assert_eq!(indeterminate(h.ok(&other.op().at_most_once(), "b").await), 1);
        assert_eq!(value(mine.await.unwrap()), ("mine".into(), Kind::Executed));
        assert_eq!(value(h.ok(&other.op().at_most_once(), "c").await), ("mine".into(), Kind::Replayed));
    }

    async fn as_an_option_of_the_attribute(h) {
        #[idempotent(name = "at_most_once.charge", key = id, idem = idem, at_most_once, map_err = Failure::of)]
        async fn charge(idem: &Idem, id: u64, pause: Duration) -> Result<u64, Failure> {
            tokio::time::sleep(pause).await;
            Ok(id)
        }
        assert_eq!(charge(&h.idem, 1, Duration::ZERO).await.unwrap(), 1);
        assert!(tokio::time::timeout(SECOND, charge(&h.idem, 2, LEASE)).await.is_err(), "its caller gave up");
        assert!(matches!(charge(&h.idem, 2, Duration::ZERO).await, Err(Failure(Error::Indeterminate { attempt: 1, .. }))));
        assert_eq!(charge(&h.idem, 1, Duration::ZERO).await.unwrap(), 1);
    }
}

/// An error type of another crate, as it were: it has no `From`.
#[derive(Debug)]
struct Failure(Error);

impl Failure {
    fn of(error: Error) -> Self {
        Self(error)
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_call_dropped_before_its_body_does_not_leave_its_policy() {
    let h = Harness::asking();
    h.drop_in_claim(&h.op().at_most_once()).await;
    h.store.fault(Verb::Claim, Fault::None);
    assert!(h.record().await.unwrap().is_blank());
    h.abandon(&h.op()).await;
    assert_eq!(value(h.ok(&h.op(), "second").await), ("second".into(), Kind::Executed));
}

#[tokio::test(start_paused = true)]
async fn a_detached_body_that_never_began_may_be_tried_again() {
    let h = Harness::asking();
    let (late, queue) = h.with_queued_spawner();
    let call = polled_once(Box::pin(
        late.op().at_most_once().detached().run(std::future::ready(Ok::<_, Declined>("no".to_owned()))),
    ))
    .await;
    tokio::time::sleep(LEASE + SECOND).await;
    h.store.fault(Verb::Claim, Fault::NotApplied(1000));
    tokio::spawn(queue.lock().unwrap().pop().unwrap());
    assert!(matches!(refusal(call.await), Error::Store { .. }));
    for task in queue.lock().unwrap().drain(..) {
        tokio::spawn(task);
    }
    h.store.fault(Verb::Claim, Fault::None);
    tokio::time::sleep(LEASE * 2).await;
    assert_eq!(value(h.ok(&h.op().at_most_once(), "honest").await), ("honest".into(), Kind::Executed));
}
