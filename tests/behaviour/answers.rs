//! "How a call is answered".

use std::sync::Arc;
use std::time::Duration;

use idem::{CallError, Claim, Completion, Ending, Error, Finish, Idem, InvalidKey, Kind, Owner, Payload, State, Store};

use crate::support::*;

rows! {
    async fn a_grant_that_is_heard_of_too_late_is_withdrawn_when_the_next_claim_fails(h) {
        let op = h.op().at_most_once();
        let hold = h.store.hold(Verb::Claim);
        let mut call = Box::pin(h.ok(&op, "never"));
        assert!(polled_once_is_pending(call.as_mut()).await);
        tokio::time::sleep(LEASE + SECOND).await;
        h.store.fault(Verb::Claim, Fault::NotApplied(1000));
        hold.add_permits(10);
        assert!(matches!(refusal(call.await), Error::Store { .. }));
        settle().await;
        tokio::time::sleep(LEASE * 2).await;
        h.store.fault(Verb::Claim, Fault::None);
        assert_eq!(h.ran(), 0);
        assert_eq!(value(h.ok(&op, "next").await), ("next".into(), Kind::Executed));
        assert_eq!(value(h.ok(&op, "again").await), ("next".into(), Kind::Replayed));
    }

    async fn none__run(h) {
        assert_eq!(value(h.ok(&h.op(), "a").await), ("a".into(), Kind::Executed));
        assert_eq!(h.ran(), 1);
        assert_eq!(h.record().await.unwrap().attempt, 1);
    }

    async fn ttl_over__run(h) {
        h.ok(&h.op(), "a").await.unwrap();
        tokio::time::advance(TTL - SECOND).await;
        assert_eq!(value(h.ok(&h.op(), "b").await), ("a".into(), Kind::Replayed));
        tokio::time::advance(SECOND).await;
        assert_eq!(value(h.ok(&h.op(), "b").await), ("b".into(), Kind::Executed));
        assert_eq!(h.record().await.unwrap().attempt, 1, "counted afresh");
        assert_eq!(h.ran(), 2);
    }

    async fn the_ttl_counts_from_the_recording(h) {
        h.ok_after(&h.op().ttl(60 * SECOND), "a", 50 * SECOND).await.unwrap();
        tokio::time::advance(59 * SECOND).await;
        assert_eq!(value(h.ok(&h.op(), "b").await).1, Kind::Replayed);
        tokio::time::advance(SECOND).await;
        assert_eq!(value(h.ok(&h.op(), "b").await).1, Kind::Executed);
    }

    async fn completed_same__replay(h) {
        let op = h.op().fingerprint("request");
        h.ok(&op, "a").await.unwrap();
        assert_eq!(value(h.ok(&op, "b").await), ("a".into(), Kind::Replayed));
        assert_eq!(value(h.elsewhere().ok(&h.elsewhere().op().fingerprint("request"), "b").await).0, "a");
        assert_eq!(h.ran(), 1);
    }

    async fn completed_unreplayable__unreplayable(h) {
        let run = || h.op().run(async { h.count_run(); Ok::<_, Declined>(Some(f64::NAN)) });
        assert!(run().await.unwrap().into_inner().unwrap().is_nan(), "its own caller gets it");
        let again = run().await;
        assert!(matches!(refusal(again), Error::Unreplayable { .. }));
        assert_eq!(h.ran(), 1);
    }

    async fn completed_of_another_type__decode_and_untouched(h) {
        h.ok(&h.op(), "a").await.unwrap();
        let other = h.op().run(async { h.count_run(); Ok::<u32, Declined>(7) }).await;
        assert!(matches!(refusal(other), Error::Decode { .. }));
        assert_eq!(value(h.ok(&h.op(), "b").await), ("a".into(), Kind::Replayed));
        assert_eq!(h.ran(), 1);
    }

    async fn completed_of_another_type__the_error_does_not_quote_the_result(h) {
        use std::error::Error as _;
        for codec in [idem::Codec::Json, idem::Codec::MessagePack] {
            let idem = Idem::builder(h.store.clone()).codec(codec).build().unwrap();
            let op = idem.operation(NAME).key(format!("{codec:?}"));
            op.run(async { Ok::<_, Declined>("4111 1111 1111 1111".to_owned()) }).await.unwrap();
            let error = refusal(op.run(async { Ok::<u8, Declined>(0) }).await);
            let (mut said, mut cause) = (format!("{error:?}"), Some(&error as &dyn std::error::Error));
            while let Some(error) = cause {
                said += &format!("; {error}");
                cause = error.source();
            }
            assert!(matches!(error, Error::Decode { .. }) && error.source().is_some(), "{said}");
            assert!(said.contains("does not fit the type") && !said.contains("4111"), "{said}");
            let again = op.run(async { Ok::<_, Declined>(String::new()) }).await;
            assert_eq!(value(again), ("4111 1111 1111 1111".into(), Kind::Replayed));
        }
    }

    async fn completed_of_foreign_bytes__decode_and_untouched(h) {
        let owner = Owner::random();
        h.store.inner().claim(&key(), &Claim::new(owner, LEASE, TTL)).await.unwrap();
        for bytes in [&b"\x02\x01\x00\"a\""[..], b"\x01\xff\x00\"a\"", b"rubbish", b""] {
            let before = {
                let owner = Owner::random();
                tokio::time::advance(2 * TTL).await;
                h.store.inner().claim(&key(), &Claim::new(owner, LEASE, TTL)).await.unwrap();
                let ending = Ending::Completed(Completion::Result(Payload::from_bytes(bytes)));
                h.store.inner().finish(&key(), &Finish::new(owner, ending)).await.unwrap();
                h.record().await
            };
            assert!(matches!(refusal(h.ok(&h.op(), "b").await), Error::Decode { .. }));
            assert_eq!(h.record().await, before);
        }
        assert_eq!(h.ran(), 0);
    }

    async fn completed_different__key_reused_and_untouched(h) {
        h.ok(&h.op().fingerprint("one"), "a").await.unwrap();
        let before = h.record().await;
        assert!(matches!(refusal(h.ok(&h.op().fingerprint("other"), "b").await), Error::KeyReused { .. }));
        assert_eq!(h.record().await, before);
        assert_eq!(value(h.ok(&h.op().fingerprint("one"), "b").await), ("a".into(), Kind::Replayed));
        assert_eq!(h.ran(), 1);
    }

    async fn running_different__key_reused_at_once(h) {
        let _running = h.hang(&h.op().fingerprint("one")).await;
        let before = tokio::time::Instant::now();
        for other in [h.clone(), h.elsewhere()] {
            let answer = other.ok(&other.op().fingerprint("other"), "b").await;
            assert!(matches!(refusal(answer), Error::KeyReused { .. }));
        }
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert_eq!(h.ran(), 1);
    }

    async fn unknown_different__key_reused(h) {
        h.abandon(&h.op().fingerprint("one")).await;
        let before = h.record().await;
        assert!(matches!(refusal(h.ok(&h.op().fingerprint("other"), "b").await), Error::KeyReused { .. }));
        assert_eq!(h.record().await, before);
        assert_eq!(value(h.ok(&h.op().fingerprint("one"), "b").await), ("b".into(), Kind::Executed));
    }

    async fn failed_same__run_next_attempt(h) {
        let op = h.op().fingerprint("request");
        h.err(&op).await.unwrap_err();
        assert_eq!(value(h.ok(&op, "b").await), ("b".into(), Kind::Executed));
        assert_eq!(h.record().await.unwrap().attempt, 2);
        assert_eq!(value(h.ok(&op, "c").await), ("b".into(), Kind::Replayed));
        assert_eq!(h.ran(), 2);
    }

    async fn failed_different__run_afresh(h) {
        h.err(&h.op().fingerprint("one")).await.unwrap_err();
        assert_eq!(value(h.ok(&h.op().fingerprint("other"), "b").await), ("b".into(), Kind::Executed));
        assert_eq!(h.record().await.unwrap().attempt, 1);
        assert!(matches!(refusal(h.ok(&h.op().fingerprint("one"), "c").await), Error::KeyReused { .. }));
    }

    async fn running_same__wait_and_replay(h) {
        for other in [h.clone(), h.elsewhere()] {
            tokio::time::advance(2 * TTL).await;
            let ran = h.ran();
            let first = h.start(&h.op(), "a", 20 * SECOND).await;
            assert_eq!(value(other.ok(&other.op(), "b").await), ("a".into(), Kind::Attached));
            assert_eq!(value(first.await.unwrap()), ("a".into(), Kind::Executed));
            assert_eq!(h.ran(), ran + 1);
        }
    }

    async fn running_same__goes_on_by_what_it_became(h) {
        for other in [h.clone(), h.elsewhere()] {
            tokio::time::advance(2 * TTL).await;
            let first = h.start_failing(&h.op(), 20 * SECOND).await;
            assert_eq!(value(other.ok(&other.op(), "b").await), ("b".into(), Kind::Executed));
            assert!(matches!(first.await.unwrap(), Err(CallError::Body(Declined))));
            assert_eq!(h.record().await.unwrap().attempt, 2);
        }
    }

    async fn running_same__else_in_progress(h) {
        let _first = h.start(&h.op(), "a", 100 * SECOND).await;
        for other in [h.clone(), h.elsewhere()] {
            let before = tokio::time::Instant::now();
            let refused = refusal(other.ok(&other.op(), "b").await);
            assert_eq!(before.elapsed(), WAIT);
            assert!(matches!(refused, Error::InProgress { .. }));
            assert!(refused.is_retryable());
        }
        assert_eq!(h.ran(), 1);
    }

    async fn retry_after_starts_at_a_second_grows_with_age_and_ends_with_the_lease(h) {
        let _first = h.start(&h.op(), "a", 100 * SECOND).await;
        for other in [h.clone(), h.elsewhere()] {
            let impatient = other.op().wait(Duration::ZERO);
            let retry_after = || async { refusal(other.ok(&impatient, "b").await).retry_after().unwrap() };
            let before = retry_after().await;
            tokio::time::sleep(8 * SECOND).await;
            let after = retry_after().await;
            assert!(before >= SECOND && after > before, "{before:?} {after:?}");
            assert!(after <= LEASE);
        }
        let owner = Owner::random();
        let other = h.idem.operation("short").key("k").wait(Duration::ZERO);
        let key = idem::Key::new("", "short", "k").unwrap();
        h.store.inner().claim(&key, &Claim::new(owner, SECOND / 4, TTL)).await.unwrap();
        assert_eq!(refusal(h.ok(&other, "b").await).retry_after(), Some(SECOND / 4));
    }

    async fn a_wait_of_zero_refuses_at_once(h) {
        let _first = h.hang(&h.op()).await;
        let before = tokio::time::Instant::now();
        for other in [h.clone(), h.elsewhere()] {
            let refused = other.ok(&other.op().wait(Duration::ZERO), "b").await;
            assert!(matches!(refusal(refused), Error::InProgress { .. }));
        }
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    async fn unknown_same__take_over_next_attempt(h) {
        let op = h.op().fingerprint("request");
        h.abandon(&op).await;
        assert_eq!(h.record().await.unwrap().state, State::Unknown);
        assert_eq!(value(h.ok(&op, "b").await), ("b".into(), Kind::Executed));
        let record = h.record().await.unwrap();
        assert_eq!((record.attempt, record.after_unknown), (2, true));
    }

    async fn lease_over_same__take_over_next_attempt(h) {
        let owner = Owner::random();
        h.store.inner().claim(&key(), &Claim::new(owner, LEASE, TTL)).await.unwrap();
        tokio::time::advance(LEASE).await;
        assert_eq!(value(h.ok(&h.op(), "b").await), ("b".into(), Kind::Executed));
        assert_eq!(h.record().await.unwrap().attempt, 2);
    }

    async fn lease_over_while_waiting__take_over(h) {
        let owner = Owner::random();
        h.store.inner().claim(&key(), &Claim::new(owner, LEASE, TTL)).await.unwrap();
        let before = tokio::time::Instant::now();
        assert_eq!(value(h.ok(&h.op(), "b").await), ("b".into(), Kind::Executed));
        assert!(before.elapsed() >= LEASE && before.elapsed() < LEASE + SECOND);
    }

    async fn a_call_that_is_no_longer_polled_is_taken_over_after_its_lease(h) {
        let unpolled = h.hang(&h.op()).await;
        let before = tokio::time::Instant::now();
        assert_eq!(value(h.ok(&h.op(), "b").await), ("b".into(), Kind::Executed));
        assert!(before.elapsed() >= LEASE && before.elapsed() < LEASE + SECOND);
        drop(unpolled);
        assert_eq!(value(h.ok(&h.op(), "c").await), ("b".into(), Kind::Replayed), "its end changes nothing");
    }

    async fn fingerprint_on_one_side_only__counts_as_the_same(h) {
        h.ok(&h.op(), "a").await.unwrap();
        assert_eq!(value(h.ok(&h.op().fingerprint("request"), "b").await).1, Kind::Replayed);
        tokio::time::advance(TTL).await;
        h.ok(&h.op().fingerprint("request"), "b").await.unwrap();
        assert_eq!(value(h.ok(&h.op(), "c").await), ("b".into(), Kind::Replayed));
    }

    async fn a_fingerprint_survives_an_attempt_without_one(h) {
        h.abandon(&h.op().fingerprint("one")).await;
        h.ok(&h.op(), "a").await.unwrap();
        assert!(matches!(refusal(h.ok(&h.op().fingerprint("other"), "b").await), Error::KeyReused { .. }));
        assert_eq!(value(h.ok(&h.op().fingerprint("one"), "b").await).1, Kind::Replayed);
    }

    async fn same_key_from_inside_its_own_body__reentrant(h) {
        let inner = h.op().run(async {
            let inside = h.ok(&h.op().fingerprint("other"), "inner").await;
            assert!(matches!(refusal(inside), Error::Reentrant { .. }));
            let other_key = h.idem.operation(NAME).key("other");
            assert_eq!(value(h.ok(&other_key, "inner").await).1, Kind::Executed);
            Ok::<_, Declined>("outer".to_owned())
        });
        assert_eq!(value(inner.await).0, "outer");
    }

    async fn a_detached_body_is_not_inside_a_call_that_has_ended(h) {
        let (inner, other) = (h.clone(), h.clone());
        let outer = h.op().run(async move {
            let op = inner.idem.operation(NAME).key("inner").detached();
            op.run(async move {
                tokio::time::sleep(20 * SECOND).await;
                Ok::<_, Declined>(value(other.ok(&other.op(), "again").await).0)
            })
            .await
            .map_err(|_| Declined)
            .map(idem::Outcome::into_inner)
        });
        assert!(tokio::time::timeout(SECOND, outer).await.is_err(), "its caller gave up");
        tokio::time::sleep(30 * SECOND).await;
        assert_eq!(value(h.ok(&h.op(), "b").await), ("again".into(), Kind::Replayed));
    }

    async fn key_empty_or_too_long__invalid_key_and_store_not_asked(h) {
        let long = "x".repeat(1025);
        for (key, reason) in [("", InvalidKey::Empty), (long.as_str(), h.too_long())] {
            let refused = refusal(h.ok(&h.idem.operation(NAME).key(key), "a").await);
            assert!(matches!(refused, Error::InvalidKey { reason: said, .. } if said == reason));
        }
        assert_eq!((h.ran(), h.store.count(Verb::Claim)), (0, 0));
        h.ok(&h.idem.operation(NAME).key(&long[1..]), "a").await.expect("exactly the limit");
    }

    async fn zero_ttl_or_lease__config_and_store_not_asked(h) {
        let nothing_guarded = [
            h.op().ttl(Duration::ZERO),
            h.op().ttl(Duration::from_nanos(999)),
            h.op().lease(Duration::ZERO),
            h.op().lease(Duration::from_nanos(1)),
            h.idem.operation(NAME),
            h.idem.operation("").key("k"),
        ];
        for op in nothing_guarded {
            assert!(matches!(refusal(h.ok(&op, "a").await), Error::Config { .. }));
        }
        let unserializable = std::collections::HashMap::from([((), Unserializable)]);
        assert!(matches!(refusal(h.ok(&h.op().fingerprint(&unserializable), "a").await), Error::Config { .. }));
        assert_eq!((h.ran(), h.store.count(Verb::Claim)), (0, 0));
        let shortest = h.op().ttl(Duration::from_millis(1)).lease(Duration::from_millis(10));
        for kind in [Kind::Executed, Kind::Replayed] {
            assert_eq!(value(h.ok(&shortest, "a").await).1, kind, "the shortest that can be");
        }
    }

    async fn huge_ttl_lease_and_wait_saturate(h) {
        let op = h.op().ttl(Duration::MAX).lease(Duration::MAX).wait(Duration::MAX);
        let first = started({ let (h, op) = (h.clone(), op.clone()); async move { h.ok_after(&op, "a", TTL).await } }).await;
        assert_eq!(value(h.ok(&op, "b").await), ("a".into(), Kind::Attached));
        first.await.unwrap().unwrap();
        tokio::time::advance(100 * TTL).await;
        assert_eq!(value(h.ok(&op, "b").await), ("a".into(), Kind::Replayed));
    }

    async fn store_refuses__store_and_the_body_does_not_run(h) {
        h.store.fault(Verb::Claim, Fault::Refused);
        let refused = refusal(h.ok(&h.op(), "a").await);
        assert!(matches!(refused, Error::Store { .. }) && !refused.is_retryable());
        assert_eq!((h.store.count(Verb::Claim), h.store.count(Verb::Finish)), (1, 0), "it would say the same again");
        h.store.fault(Verb::Claim, Fault::None);
        assert_eq!(h.ran(), 0);
        assert_eq!(value(h.ok(&h.op(), "a").await).1, Kind::Executed);
    }

    async fn store_silent__store_after_its_time_out(h) {
        let hold = h.store.hold(Verb::Claim);
        let before = tokio::time::Instant::now();
        let refused = refusal(h.ok(&h.op(), "a").await);
        assert_eq!(before.elapsed(), 5 * SECOND);
        assert!(matches!(refused, Error::Store { .. }) && refused.is_retryable());
        assert_eq!(h.ran(), 0);
        hold.add_permits(1000);
        settle().await;
        assert_eq!(h.record().await.unwrap().state, State::Failed, "its claim was withdrawn in the background");
        assert_eq!(value(h.ok(&h.op(), "a").await).1, Kind::Executed);
        assert_eq!(h.record().await.unwrap().attempt, 1, "what never began is no attempt");
    }

    async fn a_claim_whose_answer_is_lost_is_sent_again(h) {
        h.store.fault(Verb::Claim, Fault::Lost(2));
        assert_eq!(value(h.ok(&h.op(), "a").await), ("a".into(), Kind::Executed));
        assert_eq!((h.store.count(Verb::Claim), h.record().await.unwrap().attempt), (3, 1), "and is one claim");
    }

    async fn a_claim_that_was_not_applied_is_sent_again_until_store_timeout(h) {
        h.store.fault(Verb::Claim, Fault::NotApplied(8));
        assert_eq!(value(h.ok(&h.op(), "a").await), ("a".into(), Kind::Executed), "a blip");
        let other = h.idem.operation(NAME).key("other");
        h.store.fault(Verb::Claim, Fault::NotApplied(1000));
        let (before, claims) = (tokio::time::Instant::now(), h.store.count(Verb::Claim));
        assert!(matches!(refusal(h.ok(&other, "b").await), Error::Store { .. }));
        assert!((4 * SECOND..=5 * SECOND).contains(&before.elapsed()), "{:?}", before.elapsed());
        assert!((10..40).contains(&(h.store.count(Verb::Claim) - claims)), "with growing pauses");
        assert_eq!((h.store.count(Verb::Finish), h.ran()), (1, 1), "there was nothing to withdraw");
        h.store.fault(Verb::Claim, Fault::None);
        assert_eq!(value(h.ok(&other, "b").await), ("b".into(), Kind::Executed));
        assert_eq!(value(h.ok(&other, "no").await), ("b".into(), Kind::Replayed));
    }

    async fn running_elsewhere_and_the_store_away_for_longer_than_its_time_out__its_result(h) {
        let (op, lease) = (h.op().lease(120 * SECOND), 120 * SECOND);
        let owner = tokio::spawn({
            let (there, op) = (h.elsewhere(), h.elsewhere().op().lease(lease));
            async move { there.ok_after(&op, "theirs", 15 * SECOND).await }
        });
        tokio::time::sleep(SECOND).await;
        let waiting = [(); 3].map(|()| {
            let (here, op) = (h.clone(), op.clone());
            tokio::spawn(async move { here.ok(&op, "no").await })
        });
        tokio::time::sleep(SECOND).await;
        h.store.fault(Verb::Claim, Fault::NotApplied(1_000_000));
        let claims = h.store.count(Verb::Claim);
        tokio::time::sleep(12 * SECOND).await;
        assert!(waiting.iter().all(|call| !call.is_finished()), "they have 25 s of patience");
        assert!(h.store.count(Verb::Claim) - claims < 60, "one of the three asks: {}", h.store.count(Verb::Claim) - claims);
        h.store.fault(Verb::Claim, Fault::None);
        for call in waiting {
            assert_eq!(value(call.await.unwrap()), ("theirs".into(), Kind::Attached));
        }
        assert_eq!(value(owner.await.unwrap()).1, Kind::Executed);
        assert_eq!(h.ran(), 1);
    }

    async fn running_elsewhere_and_the_store_away_past_wait__store(h) {
        let owner = tokio::spawn({
            let (there, op) = (h.elsewhere(), h.elsewhere().op().lease(120 * SECOND));
            async move { there.ok_after(&op, "theirs", 40 * SECOND).await }
        });
        tokio::time::sleep(SECOND).await;
        let before = tokio::time::Instant::now();
        let call = tokio::spawn({
            let (here, op) = (h.clone(), h.op());
            async move { here.ok(&op, "no").await }
        });
        tokio::time::sleep(SECOND).await;
        h.store.fault(Verb::Claim, Fault::NotApplied(1_000_000));
        assert!(matches!(refusal(call.await.unwrap()), Error::Store { .. }));
        assert!((25 * SECOND..=30 * SECOND).contains(&before.elapsed()), "{:?}", before.elapsed());
        h.store.fault(Verb::Claim, Fault::None);
        assert_eq!(value(owner.await.unwrap()).1, Kind::Executed);
        assert_eq!(value(h.ok(&h.op(), "no").await), ("theirs".into(), Kind::Replayed));
        assert_eq!(h.ran(), 1);
    }

    async fn the_claims_fate_is_unknown__store_and_the_claim_is_withdrawn(h) {
        h.store.fault(Verb::Claim, Fault::Lost(1000));
        let before = tokio::time::Instant::now();
        assert!(matches!(refusal(h.ok(&h.op(), "a").await), Error::Store { .. }));
        assert!(before.elapsed() <= 5 * SECOND);
        settle().await;
        assert_eq!(h.record().await.unwrap().state, State::Failed);
        h.store.fault(Verb::Claim, Fault::None);
        assert_eq!(value(h.ok(&h.op(), "a").await).1, Kind::Executed);
    }

    async fn a_claim_that_comes_after_its_caller_left_is_withdrawn_too(h) {
        h.store.fault(Verb::Claim, Fault::Late(7 * SECOND));
        assert!(matches!(refusal(h.ok(&h.op(), "a").await), Error::Store { .. }));
        h.store.fault(Verb::Claim, Fault::None);
        assert_eq!(h.record().await, None, "not yet");
        tokio::time::sleep(10 * SECOND).await;
        let record = h.record().await.unwrap();
        assert_eq!((record.state, record.attempt), (State::Failed, 0));
        let sent = h.store.count(Verb::Finish);
        tokio::time::sleep(TTL / 2).await;
        assert_eq!(h.store.count(Verb::Finish), sent, "and that was the end of it");
    }

    async fn a_claim_that_never_comes_is_not_withdrawn_for_ever(h) {
        h.store.fault(Verb::Claim, Fault::Late(2 * TTL));
        assert!(matches!(refusal(h.ok(&h.op(), "a").await), Error::Store { .. }));
        tokio::time::sleep(LEASE + 10 * SECOND).await;
        let sent = h.store.count(Verb::Finish);
        assert!(sent < 20, "{sent}");
        tokio::time::sleep(TTL / 2).await;
        assert_eq!(h.store.count(Verb::Finish), sent, "for longer than the lease it would be of no use");
    }

    async fn no_key__unguarded(h) {
        let op = h.idem.operation(NAME).key(None::<String>);
        assert_eq!(value(h.ok(&op, "a").await), ("a".into(), Kind::Unguarded));
        assert_eq!(value(h.ok(&op, "b").await), ("b".into(), Kind::Unguarded));
        assert_eq!((h.ran(), h.store.count(Verb::Claim)), (2, 0));
        let op = h.idem.operation(NAME).key(Some("k"));
        assert_eq!(value(h.ok(&op, "c").await), ("c".into(), Kind::Executed));
        assert_eq!(value(h.ok(&h.op(), "d").await), ("c".into(), Kind::Replayed), "Some is the key itself");
    }

    async fn empty_values_are_values(h) {
        async fn twice<T>(h: &Harness, key: &'static str, value: T)
        where
            T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug + Clone,
        {
            for kind in [Kind::Executed, Kind::Replayed] {
                let answer = h.idem.operation(NAME).key(key).run(async { Ok::<_, Declined>(value.clone()) }).await.unwrap();
                assert_eq!((answer.kind(), answer.into_inner()), (kind, value.clone()), "{key}");
            }
        }
        twice(&h, "unit", ()).await;
        twice(&h, "none", None::<u8>).await;
        twice(&h, "empty", String::new()).await;
        twice(&h, "false", false).await;
        twice(&h, "zero", 0).await;
        twice(&h, "list", Vec::<u8>::new()).await;
        twice(&h, "float", 0.913_614_977_317_635_9).await;
        twice(&h, "minus zero", [-0.0_f64].map(f64::to_bits)).await;
        twice(&h, "set", (0..50).collect::<std::collections::HashSet<u8>>()).await;
    }

    async fn namespaces_and_operations_do_not_meet(h) {
        let billing = Idem::builder(h.store.clone()).namespace("billing").build().unwrap();
        h.ok(&h.op(), "a").await.unwrap();
        assert_eq!(value(h.ok(&billing.operation(NAME).key("k"), "b").await).0, "b");
        assert_eq!(value(h.ok(&h.idem.operation("test.other").key("k"), "c").await).0, "c");
        assert_eq!(h.ran(), 3);
    }
}

struct Unserializable;

impl serde::Serialize for Unserializable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no"))
    }
}

impl Harness {
    fn too_long(&self) -> InvalidKey {
        idem::Key::new("", NAME, "x".repeat(1025).as_str()).expect_err("too long")
    }
}

#[test]
fn a_builder_with_a_zero_duration_is_refused() {
    let builder = || Idem::builder(idem::MokaStore::new());
    assert!(matches!(builder().ttl(Duration::ZERO).build(), Err(Error::Config { .. })));
    assert!(matches!(builder().lease(Duration::ZERO).build(), Err(Error::Config { .. })));
    assert!(matches!(builder().store_timeout(Duration::ZERO).build(), Err(Error::Config { .. })));
    builder().wait(Duration::ZERO).build().expect("waiting is optional");
    let _: Arc<dyn Store> = Arc::new(idem::MokaStore::new());
}

#[tokio::test(start_paused = true)]
async fn a_key_part_that_panics_or_writes_nothing_stores_nothing() {
    struct Odd(bool);
    impl idem::KeyPart for Odd {
        fn write_to(&self, key: &mut idem::KeyWriter) {
            assert!(!self.0, "the user's own");
            key.text("");
        }
    }
    #[idem::idempotent(key = Odd(panics), idem = idem)]
    async fn charge(idem: &Idem, panics: bool) -> Result<u8, Error> {
        Ok(u8::from(panics))
    }
    let h = Harness::new(crate::support::Kind::Asking);
    let idem = h.idem.clone();
    assert!(tokio::spawn(async move { charge(&idem, true).await }).await.unwrap_err().is_panic());
    assert!(matches!(charge(&h.idem, false).await, Err(Error::InvalidKey { reason: InvalidKey::Empty, .. })));
    assert_eq!(h.store.count(Verb::Claim), 0);
    assert_eq!(value(h.ok(&h.op(), "honest").await).1, Kind::Executed);
}

#[allow(non_snake_case)]
#[tokio::test(start_paused = true)]
async fn store_full__store_and_the_body_does_not_run() {
    let store = idem::MokaStore::builder().max_records(2).max_bytes(10_000).build();
    let h = Harness::new(crate::support::Kind::Peeking).under(idem::Idem::new(store));
    let op = |n: u32| h.idem.operation(NAME).key(n);
    assert_eq!(value(h.ok(&op(1), "a").await).1, Kind::Executed);
    assert_eq!(value(h.ok(&op(2), &"x".repeat(20_000)).await).1, Kind::Executed, "the value reaches its caller");
    let refused = refusal(h.ok(&op(3), "no").await);
    assert!(refused.is_retryable() && refused.retry_after().is_some());
    let full = std::error::Error::source(&refused).and_then(|store| store.source());
    assert!(full.is_some_and(|full| full.is::<idem::FullError>()), "{refused:?}");
    assert_eq!(value(h.ok(&op(1), "no").await), ("a".into(), Kind::Replayed));
    assert!(matches!(refusal(h.ok(&op(2), "no").await), Error::Unreplayable { .. }));
    assert_eq!(h.ran(), 2);
    tokio::time::advance(TTL).await;
    assert_eq!(value(h.ok(&op(3), "room").await).1, Kind::Executed);
}
