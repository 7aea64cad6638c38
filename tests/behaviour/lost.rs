//! "success, lease lost" and "`Err`, lease lost": the store's clock steps past the lease while the body runs.

use std::time::Duration;

use idem::{CallError, Error, Kind, State};
use tokio::task::JoinHandle;

use crate::support::*;

/// A call in its body, its lease over by the store's clock.
async fn lapsed(h: &Harness, op: idem::OperationBuilder, fails: bool) -> JoinHandle<Answer<String>> {
    let this = h.clone();
    let call = started(async move {
        if fails {
            this.err_after(&op, 4 * SECOND).await
        } else {
            this.ok_after(&op, "mine", 4 * SECOND).await
        }
    })
    .await;
    h.clock.step(LEASE);
    call
}

rows! {
    async fn success_lease_lost_and_granted_again_too_late__completed(h) {
        let op = h.op().wait(Duration::ZERO);
        let mut mine = Box::pin(h.ok_after(&op, "mine", SECOND));
        assert!(polled_once_is_pending(mine.as_mut()).await);
        h.clock.step(LEASE);
        assert!(h.op().forget().await.unwrap());
        h.store.fault(Verb::Claim, Fault::Late(LEASE - SECOND));
        tokio::time::sleep(SECOND).await;
        assert!(polled_once_is_pending(mine.as_mut()).await);
        tokio::time::sleep(LEASE + SECOND / 2).await;
        h.store.fault(Verb::Claim, Fault::NotApplied(2));
        assert_eq!(value(mine.await), ("mine".into(), Kind::Executed));
        tokio::time::sleep(LEASE * 3).await;
        assert_eq!(value(h.ok(&h.op(), "again").await), ("mine".into(), Kind::Replayed));
        assert_eq!(h.ran(), 1);
    }

    async fn success_lease_lost_and_its_own_process_has_the_key__not_run_again(h) {
        h.store.fault(Verb::Renew, Fault::NotApplied(1_000_000));
        let mine = h.start(&h.op(), "mine", LEASE + 2 * SECOND).await;
        tokio::time::sleep(LEASE + SECOND).await;
        // It takes the slot of a call that is not heard of, and is granted the key before that one ends.
        let hold = h.store.hold(Verb::Claim);
        let other = h.start(&h.op(), "no", SECOND).await;
        tokio::time::sleep(2 * SECOND).await;
        h.store.fault(Verb::Renew, Fault::None);
        hold.add_permits(1000);
        assert_eq!(value(mine.await.unwrap()), ("mine".into(), Kind::Executed));
        assert_eq!(value(other.await.unwrap()), ("mine".into(), Kind::Attached));
        assert_eq!(value(h.ok(&h.op(), "no").await), ("mine".into(), Kind::Replayed));
        assert_eq!(h.ran(), 1);
    }

    async fn success_lease_lost_behind_another_that_is_not_heard_of__not_asked_without_end(h) {
        h.store.fault(Verb::Renew, Fault::NotApplied(1_000_000));
        let mine = h.start(&h.op(), "mine", LEASE * 2 + 2 * SECOND).await;
        tokio::time::sleep(LEASE + SECOND).await;
        // It has taken over, and is not heard of either when the first one ends.
        let other = h.start(&h.op(), "other", LEASE * 5).await;
        tokio::time::sleep(LEASE).await;
        h.store.fault(Verb::Finish, Fault::NotApplied(1_000_000));
        assert_eq!(value(mine.await.unwrap()), ("mine".into(), Kind::Executed));
        tokio::time::sleep(LEASE).await;
        // The success is not sent again yet.
        h.store.fault(Verb::Finish, Fault::None);
        let before = h.store.count(Verb::Claim);
        assert!(matches!(refusal(h.ok(&h.op().wait(Duration::ZERO), "no").await), Error::InProgress { .. }));
        assert!(h.store.count(Verb::Claim) <= before + 1);
        assert_eq!(value(h.ok(&h.op(), "no").await).0, "mine");
        assert_eq!(value(other.await.unwrap()), ("mine".into(), Kind::Replayed));
        assert_eq!(h.ran(), 2);
    }

    async fn success_lease_lost_and_given_up_after_a_key_was_given_back_unanswered__in_progress(h) {
        h.store.fault(Verb::Renew, Fault::NotApplied(1_000_000));
        let mine = h.start(&h.op().ttl(SECOND), "mine", LEASE + 2 * SECOND).await;
        tokio::time::sleep(LEASE + SECOND).await;
        h.store.fault(Verb::Finish, Fault::NotApplied(1_000_000));
        let hold = h.store.hold(Verb::Claim);
        let other = h.start(&h.op(), "no", SECOND).await;
        // The process knows of its success until its TTL ends. The success has just been sent, so the next `finish` is the
        // other call's withdrawal.
        tokio::time::sleep(SECOND + SECOND / 5).await;
        let sent = h.store.count(Verb::Finish);
        while h.store.count(Verb::Finish) == sent {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        h.store.fault(Verb::Finish, Fault::Lost(1));
        hold.add_permits(1000);
        settle().await;
        h.store.fault(Verb::Finish, Fault::NotApplied(1_000_000));
        // Its TTL is over, and with it all that is known of it. Nothing is unknown, and nobody may say so.
        assert_eq!(value(mine.await.unwrap()), ("mine".into(), Kind::Executed));
        assert!(matches!(refusal(other.await.unwrap()), Error::InProgress { .. }));
        h.store.fault(Verb::Finish, Fault::None);
        assert_eq!(value(h.ok(&h.op(), "next").await), ("next".into(), Kind::Executed));
        assert_eq!(h.ran(), 2);
    }

    async fn success_lease_lost_in_the_call_that_overtook_this_one__not_run_again(h) {
        let other = h.elsewhere();
        let hangs = other.hang(&other.op()).await;
        // This call leads in its process, sees the other process' run, waits, and then is not polled.
        let op = h.op().wait(LEASE * 10);
        let mut overtaken = Box::pin(h.ok(&op, "no"));
        assert!(polled_once_is_pending(overtaken.as_mut()).await);
        tokio::time::sleep(LEASE).await;
        // The other process' lease is over: the next call of this process overtakes, runs and succeeds.
        h.store.fault(Verb::Finish, Fault::NotApplied(1_000_000));
        h.store.fault(Verb::Renew, Fault::NotApplied(1_000_000));
        assert_eq!(value(h.ok_after(&h.op(), "mine", SECOND).await), ("mine".into(), Kind::Executed));
        tokio::time::sleep(LEASE).await;
        assert!(matches!(refusal(h.ok(&h.op().wait(Duration::ZERO), "no").await), Error::InProgress { .. }));
        assert!(polled_once_is_pending(overtaken.as_mut()).await, "it waits for the success of its process");
        assert_eq!(h.ran(), 2, "the other process' run, and the success");
        h.store.fault(Verb::Finish, Fault::None);
        assert_eq!(value(overtaken.await), ("mine".into(), Kind::Attached));
        assert_eq!(h.ran(), 2);
        drop(hangs);
    }

    async fn success_lease_lost_and_the_record_gone__not_run_again(h) {
        let mine = h.start(&h.op(), "mine", SECOND).await;
        h.clock.step(LEASE);
        assert!(h.op().forget().await.unwrap());
        h.store.fault(Verb::Claim, Fault::NotApplied(1_000_000));
        assert_eq!(value(mine.await.unwrap()), ("mine".into(), Kind::Executed));
        tokio::time::sleep(LEASE).await;
        // The success has just been sent, and after a pause it is sent again. Meanwhile the store would grant the key.
        let sent = h.store.count(Verb::Claim);
        while h.store.count(Verb::Claim) == sent {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        h.store.fault(Verb::Claim, Fault::None);
        assert!(matches!(refusal(h.ok(&h.op().wait(Duration::ZERO), "no").await), Error::InProgress { .. }));
        let (mine, kind) = value(h.ok(&h.op(), "no").await);
        assert!(mine == "mine" && matches!(kind, Kind::Attached | Kind::Replayed), "{mine} {kind:?}");
        assert_eq!(h.ran(), 1);
    }

    async fn success_lease_lost_while_draining__recorded_all_the_same(h) {
        let mine = h.start(&h.op(), "mine", 4 * SECOND).await;
        h.clock.step(LEASE);
        let other = h.elsewhere();
        let theirs = other.hang(&other.op()).await;
        tokio::time::sleep(4 * SECOND).await;
        let idem = h.idem.clone();
        let drained = started(async move { idem.drain(LEASE).await }).await;
        // The other one never ends, and is dropped while this one waits for it.
        drop(theirs);
        assert_eq!(value(mine.await.unwrap()), ("mine".into(), Kind::Executed));
        assert_eq!(drained.await.unwrap(), 0);
        assert_eq!(value(other.ok(&other.op(), "no").await), ("mine".into(), Kind::Replayed));
    }

    async fn nobody_took_over__completed(h) {
        let call = lapsed(&h, h.op(), false).await;
        assert_eq!(value(call.await.unwrap()), ("mine".into(), Kind::Executed));
        assert_eq!(value(h.ok(&h.op(), "b").await), ("mine".into(), Kind::Replayed));
        assert_eq!(h.store.count(Verb::Claim), if h.peeks() { 1 } else { 2 });
    }

    async fn taken_over_and_free_again__completed(h) {
        let call = lapsed(&h, h.op(), false).await;
        let other = h.elsewhere();
        h.err(&other.op()).await.unwrap_err();
        assert_eq!(h.record().await.unwrap().state, State::Failed);
        let before = tokio::time::Instant::now();
        assert_eq!(value(call.await.unwrap()), ("mine".into(), Kind::Executed));
        assert!(before.elapsed() <= 4 * SECOND, "it did not wait for itself");
        assert_eq!(value(h.ok(&h.op(), "c").await), ("mine".into(), Kind::Replayed));
    }

    async fn taken_over_and_unknown__completed(h) {
        let call = lapsed(&h, h.op(), false).await;
        h.abandon(&h.elsewhere().op()).await;
        assert_eq!(value(call.await.unwrap()), ("mine".into(), Kind::Executed));
        assert_eq!(value(h.ok(&h.op(), "c").await), ("mine".into(), Kind::Replayed));
    }

    async fn taken_over_and_completed__the_recorded_result(h) {
        let call = lapsed(&h, h.op(), false).await;
        assert_eq!(value(h.ok(&h.elsewhere().op(), "theirs").await).1, Kind::Executed);
        assert_eq!(value(call.await.unwrap()), ("theirs".into(), Kind::Replayed));
        assert_eq!(value(h.ok(&h.op(), "c").await), ("theirs".into(), Kind::Replayed));
        assert_eq!(h.ran(), 2);
    }

    async fn taken_over_and_completed_on_a_store_that_is_full__the_recorded_result(h) {
        let call = lapsed(&h, h.op(), false).await;
        assert_eq!(value(h.ok(&h.elsewhere().op(), "theirs").await).1, Kind::Executed);
        h.store.fault(Verb::Record, Fault::Refused);
        assert_eq!(value(call.await.unwrap()), ("theirs".into(), Kind::Replayed));
        assert_eq!(h.ran(), 2);
    }

    async fn taken_over_and_running__waits_for_the_recorded_result(h) {
        let call = lapsed(&h, h.op(), false).await;
        let other = h.elsewhere();
        let theirs = h.start(&other.op(), "theirs", 20 * SECOND).await;
        assert_eq!(value(call.await.unwrap()), ("theirs".into(), Kind::Replayed));
        assert_eq!(value(theirs.await.unwrap()), ("theirs".into(), Kind::Executed));
    }

    async fn taken_over_and_running_for_long__its_own_value(h) {
        let call = lapsed(&h, h.op(), false).await;
        let other = h.elsewhere();
        let theirs = h.start(&other.op(), "theirs", 60 * SECOND).await;
        assert_eq!(value(call.await.unwrap()), ("mine".into(), Kind::Executed));
        assert_eq!(value(theirs.await.unwrap()), ("theirs".into(), Kind::Executed));
        assert_eq!(value(h.ok(&h.op(), "c").await), ("theirs".into(), Kind::Replayed), "theirs stays");
    }

    async fn taken_over_for_another_request__its_own_value(h) {
        let call = lapsed(&h, h.op().fingerprint("one"), false).await;
        h.clock.step(TTL);
        let other = h.elsewhere();
        h.ok(&other.op().fingerprint("other"), "theirs").await.unwrap();
        let before = h.record().await;
        assert_eq!(value(call.await.unwrap()), ("mine".into(), Kind::Executed));
        assert_eq!(h.record().await, before);
    }

    async fn the_record_is_gone__completed(h) {
        let call = lapsed(&h, h.op(), false).await;
        h.clock.step(TTL);
        assert_eq!(h.record().await, None);
        assert_eq!(value(call.await.unwrap()), ("mine".into(), Kind::Executed));
        assert_eq!(value(h.ok(&h.op(), "c").await), ("mine".into(), Kind::Replayed));
    }

    async fn err__theirs_stays_and_the_error_unchanged(h) {
        let call = lapsed(&h, h.op(), true).await;
        h.ok(&h.elsewhere().op(), "theirs").await.unwrap();
        let before = h.record().await;
        assert!(matches!(call.await.unwrap(), Err(CallError::Body(Declined))));
        assert_eq!(h.record().await, before);
        assert_eq!(value(h.ok(&h.op(), "c").await), ("theirs".into(), Kind::Replayed));
    }

    async fn err_and_theirs_is_open__nothing_is_changed(h) {
        let call = lapsed(&h, h.op(), true).await;
        h.abandon(&h.elsewhere().op()).await;
        let before = h.record().await;
        assert!(matches!(call.await.unwrap(), Err(CallError::Body(Declined))));
        assert_eq!(h.record().await, before);
    }

    async fn an_error_on_the_way_back_does_not_lose_the_success(h) {
        let call = lapsed(&h, h.op().wait(40 * SECOND), false).await;
        let other = h.elsewhere();
        let theirs = h.start_failing(&other.op(), 20 * SECOND).await;
        tokio::time::sleep(SECOND).await;
        h.store.fault(Verb::Claim, Fault::NotApplied(2));
        let before = tokio::time::Instant::now();
        assert_eq!(value(call.await.unwrap()), ("mine".into(), Kind::Executed));
        assert!(before.elapsed() < 25 * SECOND, "it does not wait for itself");
        theirs.await.unwrap().unwrap_err();
        tokio::time::sleep(SECOND).await;
        assert_eq!(value(h.ok(&h.op(), "c").await), ("mine".into(), Kind::Replayed));
        assert_eq!(h.ran(), 2);
    }

    async fn the_way_back_may_meet_its_own_late_claim(h) {
        let call = lapsed(&h, h.op().wait(Duration::ZERO), false).await;
        h.clock.step(TTL);
        // The record is gone. The claim for a new one is late, and is there when it is looked for again.
        h.store.fault(Verb::Claim, Fault::Late(7 * SECOND));
        tokio::time::sleep(10 * SECOND).await;
        h.store.fault(Verb::Claim, Fault::None);
        assert_eq!(value(call.await.unwrap()), ("mine".into(), Kind::Executed));
        tokio::time::sleep(30 * SECOND).await;
        assert_eq!(value(h.ok(&h.op(), "again").await), ("mine".into(), Kind::Replayed));
    }

    async fn recorded_and_then_refused__those_who_wait_get_the_result(h) {
        let answer = h.store.hold(Verb::Finish);
        let mine = h.start(&h.op(), "mine", SECOND).await;
        let this = h.clone();
        let waits = started(async move { this.ok(&this.op(), "no").await }).await;
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(h.store.count(Verb::Finish), 1, "it is recorded, and the answer does not come");
        h.store.fault(Verb::Finish, Fault::None);
        h.store.fault(Verb::Record, Fault::Refused);
        assert_eq!(value(mine.await.unwrap()), ("mine".into(), Kind::Executed));
        assert_eq!(value(waits.await.unwrap()).0, "mine");
        assert_eq!(h.ran(), 1);
        drop(answer);
    }

    async fn refused_and_recorded_without__those_who_wait_get_no_value(h) {
        h.store.fault(Verb::Record, Fault::Refused);
        let answer = h.store.hold(Verb::Finish);
        let mine = h.start(&h.op(), "mine", SECOND).await;
        let this = h.clone();
        let waits = started(async move { this.ok(&this.op(), "no").await }).await;
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(h.store.count(Verb::Finish), 1, "it is recorded without its value, and the answer does not come");
        h.store.fault(Verb::Finish, Fault::None);
        h.store.fault(Verb::Record, Fault::None);
        assert_eq!(value(mine.await.unwrap()), ("mine".into(), Kind::Executed));
        assert!(matches!(waits.await.unwrap(), Err(CallError::Idem(Error::Unreplayable { .. }))));
        assert_eq!(h.ran(), 1);
        drop(answer);
    }

    async fn dropped_on_the_way_back__lands_in_the_background(h) {
        let call = lapsed(&h, h.op(), false).await;
        let other = h.elsewhere();
        let theirs = h.start_failing(&other.op(), 20 * SECOND).await;
        tokio::time::sleep(8 * SECOND).await;
        call.abort();
        call.await.unwrap_err();
        theirs.await.unwrap().unwrap_err();
        tokio::time::sleep(SECOND).await;
        assert_eq!(value(h.ok(&h.op(), "c").await), ("mine".into(), Kind::Replayed), "done stays done");
        assert_eq!(h.ran(), 2);
    }

    async fn a_lost_key_is_not_renewed(h) {
        let op = h.op();
        let call = h.start(&op, "mine", 40 * SECOND).await;
        h.clock.step(LEASE);
        h.ok(&h.elsewhere().op(), "theirs").await.unwrap();
        assert_eq!(value(call.await.unwrap()), ("theirs".into(), Kind::Replayed));
        assert_eq!(h.store.count(Verb::Renew), 1, "the first one says that it is lost");
    }

    async fn a_clock_set_back_breaks_no_law(h) {
        let fence = |record: Option<idem::Record>| record.unwrap().fence;
        h.clock.step(10 * TTL);
        h.err(&h.op()).await.unwrap_err();
        let before = fence(h.record().await);
        h.clock.set_back(10 * TTL);
        h.err(&h.op()).await.unwrap_err();
        let after = fence(h.record().await);
        assert!(after > before, "fences rise: {before} {after}");
        tokio::time::advance(Duration::from_secs(1)).await;
        h.ok(&h.op(), "a").await.unwrap();
        assert!(fence(h.record().await) > after);
        assert_eq!(value(h.ok(&h.op(), "b").await), ("a".into(), Kind::Replayed));
    }
}
