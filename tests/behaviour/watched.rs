//! What those see who watch: `metrics` counts and durations, `tracing` spans and events.

mod recorder;
mod subscriber;

use std::future::{pending, ready};
use std::time::Duration;

use idem::Idem;
use recorder::Recorder;
use subscriber::Subscriber;

use crate::support::{polled_once_is_pending, rows, settle, Answer, Declined, Fault, Harness, Verb, LEASE, SECOND};

/// Runs `scenario` and says what was counted, of the test's operation.
async fn counted(scenario: impl std::future::Future<Output = ()>) -> Vec<(String, u64)> {
    let recorder = Recorder::default();
    {
        let _local = metrics::set_default_local_recorder(&recorder);
        scenario.await;
        settle().await;
    }
    recorder.counts()
}

fn these(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

rows! {
    async fn no_lease_was_lost_where_the_ending_was_applied_and_its_answer_came_late(h) {
        let seen = counted(async {
            let call = h.start(&h.op(), "a", 3 * SECOND).await;
            let hold = h.store.hold(Verb::Finish);
            call.await.unwrap().unwrap();
            hold.add_permits(1000);
            h.store.fault(Verb::Finish, Fault::None);
            tokio::time::sleep(LEASE).await;
        }).await;
        assert!(seen.iter().any(|(name, _)| name == "executed"), "{seen:?}");
        assert!(seen.iter().all(|(name, _)| name != "lease_lost!"), "{seen:?}");
    }

    async fn executed_replayed_attached_failed(h) {
        let seen = counted(async {
            let first = h.start(&h.op(), "a", SECOND).await;
            h.ok(&h.op(), "no").await.unwrap();
            first.await.unwrap().unwrap();
            h.ok(&h.op(), "no").await.unwrap();
            h.ok(&h.op(), "no").await.unwrap();
            h.err(&h.idem.operation("test.op").key("fails")).await.unwrap_err();
        }).await;
        assert_eq!(seen, these(&[("attached", 1), ("executed", 1), ("failed", 1), ("replayed", 2)]));
    }

    async fn refusals_by_their_variant(h) {
        let seen = counted(async {
            let _running = h.hang(&h.op().fingerprint("a")).await;
            let call = |op: idem::OperationBuilder| async move { let _: Answer<u8> = op.run(ready(Ok(1))).await; };
            call(h.op().wait(Duration::ZERO)).await;
            call(h.op().fingerprint("b")).await;
            call(h.idem.operation("test.op").key("")).await;
            call(h.op().ttl(Duration::ZERO)).await;
            let lost = h.idem.operation("test.op").key("lost").at_most_once();
            h.abandon(&lost).await;
            call(lost).await;
            let odd = h.idem.operation("test.op").key("odd");
            let _: Answer<f64> = odd.run(ready(Ok(f64::NAN))).await;
            let _: Answer<f64> = odd.run(ready(Ok(f64::NAN))).await;
            let text = h.idem.operation("test.op").key("text");
            h.ok(&text, "text").await.unwrap();
            call(text).await;
            let again = h.idem.operation("test.op").key("inside");
            let inside = again.clone();
            let _: Answer<()> = again.run(async move { call(inside).await; Ok(()) }).await;
            h.idem.drain(Duration::ZERO).await;
            call(h.idem.operation("test.op").key("late")).await;
        }).await;
        assert_eq!(seen, these(&[
            // The one that ran on, when the test ended, and the unknown one.
            ("cancelled", 2),
            ("config", 1), ("decode", 1), ("executed", 3), ("in_progress", 1), ("indeterminate", 1), ("invalid_key", 1),
            ("key_reused", 1), ("reentrant", 1), ("shutting_down", 1), ("unreplayable", 1), ("unreplayable!", 1),
        ]));
    }

    async fn cancelled_panicked_taken_over_reconciled(h) {
        let seen = counted(async {
            h.abandon(&h.op()).await;
            let op = h.op();
            let panics = tokio::spawn(async move {
                let _: Answer<u8> = op.run(async { panic!("the body's own") }).await;
            });
            assert!(panics.await.unwrap_err().is_panic());
            let found: Answer<u8> = h.op().reconcile(|| ready(Ok(Some(7)))).run(pending()).await;
            found.unwrap();
        }).await;
        assert_eq!(seen, these(&[("cancelled", 1), ("panicked", 1), ("reconciled", 1), ("taken_over!", 2)]));
    }

    async fn a_detached_panic_is_one_too(h) {
        let seen = counted(async {
            let op = h.op();
            let panics = tokio::spawn(async move {
                let _: Answer<u8> = op.detached().run(async { panic!("the body's own") }).await;
            });
            assert!(panics.await.unwrap_err().is_panic());
        }).await;
        assert_eq!(seen, these(&[("panicked", 1)]));
    }

    async fn lease_lost_once(h) {
        let seen = counted(async {
            let call = h.start(&h.op(), "mine", LEASE * 2).await;
            h.clock.step(LEASE);
            let other = h.elsewhere();
            other.ok(&other.op(), "theirs").await.unwrap();
            call.await.unwrap().unwrap();
        }).await;
        assert_eq!(seen, these(&[("executed", 1), ("lease_lost!", 1), ("replayed", 1), ("taken_over!", 1)]));
    }

    async fn lease_lost_by_a_body_that_never_paused(h) {
        let seen = counted(async {
            let (op, other) = (h.op(), h.elsewhere());
            let answer: Answer<String> = op.run(async {
                h.clock.step(LEASE);
                other.ok(&other.op(), "theirs").await.map_err(|_| Declined)?;
                Ok("mine".to_owned())
            }).await;
            assert_eq!(answer.unwrap().into_inner(), "theirs");
        }).await;
        assert!(seen.contains(&("lease_lost!".into(), 1)), "{seen:?}");
    }

    async fn starved_says_so(h) {
        let seen = counted(async {
            let op = h.op();
            let mut call = Box::pin(h.ok_after(&op, "a", LEASE * 2));
            assert!(polled_once_is_pending(call.as_mut()).await);
            tokio::time::advance(LEASE).await;
            assert!(polled_once_is_pending(call.as_mut()).await);
            call.await.unwrap();
        }).await;
        assert!(seen.contains(&("starved!".into(), 1)), "{seen:?}");
    }

    async fn not_recorded_and_the_stores_errors_by_verb(h) {
        let seen = counted(async {
            h.store.fault(Verb::Finish, Fault::NotApplied(100_000));
            h.ok(&h.op(), "a").await.unwrap();
            h.store.fault(Verb::Claim, Fault::Refused);
            h.ok(&h.idem.operation("test.op").key("other"), "b").await.unwrap_err();
            h.store.fault(Verb::Load, Fault::Refused);
            h.op().inspect().await.unwrap_err();
        }).await;
        let errors = |verb: &str| seen.iter().find(|(name, _)| *name == format!("{verb}?")).map_or(0, |(_, count)| *count);
        assert!(errors("finish") > 3, "{seen:?}");
        assert_eq!((errors("claim"), errors("load"), errors("renew")), (1, 1, 0), "{seen:?}");
        assert!(seen.contains(&("not_recorded!".into(), 1)) && seen.contains(&("executed".into(), 1)), "{seen:?}");
        assert!(seen.contains(&("store".into(), 1)), "{seen:?}");
    }

    async fn a_result_that_never_landed(h) {
        let seen = counted(async {
            h.store.fault(Verb::Finish, Fault::NotApplied(100_000));
            h.ok(&h.op().ttl(SECOND * 60), "a").await.unwrap();
            tokio::time::sleep(SECOND * 120).await;
        }).await;
        assert!(seen.contains(&("gave_up!".into(), 1)), "{seen:?}");
    }

    async fn a_claim_that_is_withdrawn_was_no_lease(h) {
        let seen = counted(async {
            h.store.fault(Verb::Claim, Fault::Silent);
            h.ok(&h.op(), "no").await.unwrap_err();
            tokio::time::sleep(LEASE * 2).await;
        }).await;
        assert_eq!(seen.iter().filter(|(name, _)| name.ends_with('!')).count(), 0, "{seen:?}");
        assert!(seen.contains(&("store".into(), 1)), "{seen:?}");
    }

    async fn unguarded(h) {
        let seen = counted(async {
            h.ok(&h.under(Idem::disabled()).op(), "a").await.unwrap();
            let open = h.under(Idem::builder(h.store.clone()).fail_open().build().unwrap());
            h.store.fault(Verb::Claim, Fault::Refused);
            open.ok(&open.op(), "b").await.unwrap();
        }).await;
        assert!(seen.contains(&("unguarded".into(), 2)), "{seen:?}");
        assert!(seen.iter().all(|(name, _)| name == "unguarded" || name == "claim?"), "{seen:?}");
    }

    async fn detached_where_it_cannot_be_is_counted_once(h) {
        let seen = counted(async {
            let idem = Idem::builder(h.store.clone()).spawner(drop).build().unwrap();
            let dropped: Answer<u8> = idem.operation("test.op").key(1).detached().run(async { Ok(1) }).await;
            dropped.unwrap_err();
        }).await;
        assert_eq!(seen, these(&[("cancelled", 1)]));
    }

    async fn a_detached_run_refused_late_is_counted_though_nobody_listens(h) {
        let queue = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = counted(async {
            let later = queue.clone();
            let spawner = move |task| later.lock().unwrap().push(task);
            let idem = Idem::builder(h.store.clone()).spawner(spawner).build().unwrap();
            let op = idem.operation("test.op").key(1).detached();
            let mut call = Box::pin(op.run(async { Ok::<u8, Declined>(1) }));
            assert!(polled_once_is_pending(call.as_mut()).await);
            drop(call);
            tokio::time::sleep(LEASE + SECOND).await;
            h.store.fault(Verb::Claim, Fault::Refused);
            let task = queue.lock().unwrap().pop().unwrap();
            task.await;
        }).await;
        assert!(seen.contains(&("store".into(), 1)), "{seen:?}");
        assert_eq!(seen.iter().filter(|(name, _)| !name.ends_with(['!', '?'])).count(), 1, "{seen:?}");
    }

    async fn a_recorder_that_panics_does_not_undo_a_success(h) {
        let recorder = Recorder::that_panics_at("idem_body_seconds");
        let _local = metrics::set_default_local_recorder(&recorder);
        h.ok(&h.op(), "charged").await.unwrap();
        assert_eq!(h.ok(&h.op(), "no").await.unwrap().into_inner(), "charged");
    }

    async fn durations(h) {
        let recorder = Recorder::default();
        let _local = metrics::set_default_local_recorder(&recorder);
        let first = h.start(&h.op(), "a", SECOND * 3).await;
        h.ok(&h.op(), "no").await.unwrap();
        first.await.unwrap().unwrap();
        let seconds = recorder.seconds();
        assert_eq!(seconds["idem_body_seconds"], [3.0]);
        assert_eq!(seconds["idem_wait_seconds"], [3.0]);
        assert_eq!(seconds["idem_claim_seconds"].len(), 1);
        assert_eq!(seconds["idem_ending_seconds"].len(), 1);
    }

    async fn no_key_and_no_result_above_debug(h) {
        let seen = Subscriber::default();
        let _local = tracing::subscriber::set_default(seen.clone());
        let op = h.idem.operation("test.op").key("SECRET-KEY").fingerprint("SECRET-REQUEST");
        h.abandon(&op).await;
        h.ok(&op, "SECRET-RESULT").await.unwrap();
        h.ok(&op, "no").await.unwrap();
        let _: Answer<u8> = op.run(ready(Ok(1))).await;
        let _: Answer<f64> = h.idem.operation("test.op").key("SECRET-3").run(ready(Ok(f64::NAN))).await;
        let _: Answer<String> = op.clone().fingerprint("other").run(ready(Err(Declined))).await;
        h.store.fault(Verb::Finish, Fault::NotApplied(3));
        h.ok(&h.idem.operation("test.op").key("SECRET-2"), "SECRET").await.unwrap();
        let lines = seen.lines();
        assert!(lines.iter().any(|(level, line)| *level == tracing::Level::DEBUG && line.contains("SECRET-KEY")));
        for (level, line) in &lines {
            assert!(*level >= tracing::Level::DEBUG || !line.contains("SECRET"), "{level}: {line}");
            assert!(!line.contains("SECRET-RESULT") && !line.contains("SECRET-REQUEST"), "{line}");
        }
        let causes: Vec<_> = lines.iter().filter(|(_, line)| line.contains("connection refused")).collect();
        assert!(!causes.is_empty() && causes.iter().all(|(level, _)| *level == tracing::Level::DEBUG), "{causes:#?}");
        assert!(lines.iter().any(|(level, line)| *level == tracing::Level::WARN && line.contains("taken_over")));
        for said in ["taken_over", "executed", "replayed", "cancelled", "decode", "key_reused", "store request failed", "unreplayable"] {
            assert!(lines.iter().any(|(_, line)| line.contains(said)), "{said} in {lines:#?}");
        }
    }

    async fn a_body_is_in_its_calls_span(h) {
        let seen = Subscriber::default();
        let _local = tracing::subscriber::set_default(seen.clone());
        let told: Answer<()> = h.op().run(async {
            tracing::info!("from the body");
            tokio::task::yield_now().await;
            tracing::info!("from the body again");
            Ok(())
        }).await;
        told.unwrap();
        tracing::info!("outside");
        let lines: Vec<_> = seen.lines().into_iter().map(|(_, line)| line).collect();
        let of = |what: &str| lines.iter().find(|line| line.contains(what)).unwrap().clone();
        assert!(of("from the body").contains("idempotent{operation=test.op") && of("again").contains("attempt=1"), "{lines:#?}");
        assert!(!of("outside").contains("idempotent"));
    }
}

#[test]
fn detached_without_a_spawner_is_counted_once() {
    let recorder = Recorder::default();
    metrics::with_local_recorder(&recorder, || {
        let idem = Idem::new(idem::MokaStore::new());
        let refused: Answer<u8> =
            smol::future::block_on(idem.operation("test.op").key(1).detached().run(async { Ok(1) }));
        refused.unwrap_err();
    });
    assert_eq!(recorder.counts(), these(&[("config", 1)]));
}
