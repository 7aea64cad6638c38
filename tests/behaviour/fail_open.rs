//! Unguarded by choice: `fail_open` with its bounds, and `Idem::disabled`.

use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use idem::{current, idempotent, CallError, Error, Idem, Kind};

use super::support::{
    landed, polled_once, polled_once_is_pending, refusal, rows, settle, started, value, Answer, Broken, Bug, Declined,
    Fault, Harness, Verb, LEASE, NAME, SECOND, WAIT,
};

/// The same store, under an `Idem` that fails open.
fn open(h: &Harness) -> Harness {
    h.under(Idem::builder(h.store.clone()).fail_open().build().unwrap())
}

/// The store stays as it is for a while: no call runs the body beside a success that this process knows of, and calls of
/// other keys do. Then it is well, and the success lands.
async fn not_again_until_it_lands(h: &Harness, open: &Harness, recorded: &str, silence: Duration) {
    let until = tokio::time::Instant::now() + silence;
    let other = open.start(&open.idem.operation(NAME).key("other"), "other", Duration::ZERO).await;
    let waits = open.start(&open.op().wait(LEASE * 100), "no", SECOND).await;
    while tokio::time::Instant::now() < until {
        assert!(matches!(refusal(open.ok(&open.op().wait(SECOND), "no").await), Error::InProgress { .. }));
    }
    assert_eq!(value(other.await.unwrap()), ("other".into(), Kind::Unguarded));
    assert_eq!(h.ran(), 2, "mine and the other key's");
    for verb in [Verb::Claim, Verb::Renew, Verb::Finish] {
        h.store.fault(verb, Fault::None);
    }
    assert_eq!(value(waits.await.unwrap()).0, recorded, "who waited has it");
    assert_eq!(value(open.ok(&open.op(), "no").await), (recorded.into(), Kind::Replayed));
    assert_eq!(value(h.ok(&h.op(), "no").await), (recorded.into(), Kind::Replayed));
    assert_eq!(h.ran(), 2);
}

rows! {
    async fn a_success_that_has_not_landed(h) {
        let open = open(&h);
        for verb in [Verb::Finish, Verb::Renew] {
            h.store.fault(verb, Fault::Silent);
        }
        assert_eq!(value(open.ok(&open.op(), "mine").await), ("mine".into(), Kind::Executed));
        h.store.fault(Verb::Claim, Fault::Silent);
        not_again_until_it_lands(&h, &open, "mine", LEASE * 3).await;
    }

    async fn a_success_whose_record_is_gone(h) {
        let open = open(&h);
        let mine = open.start(&open.op(), "mine", SECOND).await;
        h.clock.step(LEASE);
        assert!(h.op().forget().await.unwrap());
        h.store.fault(Verb::Claim, Fault::NotApplied(1_000_000));
        assert_eq!(value(mine.await.unwrap()), ("mine".into(), Kind::Executed));
        not_again_until_it_lands(&h, &open, "mine", LEASE * 3).await;
    }

    async fn a_success_of_an_unguarded_run_that_has_not_landed(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Lost(1_000_000));
        h.store.fault(Verb::Finish, Fault::Silent);
        assert_eq!(value(open.ok(&open.op(), "open").await), ("open".into(), Kind::Unguarded));
        not_again_until_it_lands(&h, &open, "open", LEASE / 2).await;
    }

    async fn a_success_of_an_unguarded_run_whose_claim_never_came(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Silent);
        assert_eq!(value(open.ok(&open.op(), "open").await), ("open".into(), Kind::Unguarded));
        not_again_until_it_lands(&h, &open, "open", LEASE / 2).await;
    }

    async fn a_success_of_an_unguarded_run_that_took_longer_than_a_lease(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Silent);
        let mine = open.start(&open.op(), "open", LEASE * 2).await;
        let waits = open.start(&open.op().wait(LEASE * 3), "no", SECOND).await;
        tokio::time::sleep(LEASE).await;
        h.store.fault(Verb::Claim, Fault::None);
        // Its own claim never came, and cannot any more. It is a success all the same, and nobody has taken over.
        assert_eq!(value(mine.await.unwrap()), ("open".into(), Kind::Unguarded));
        assert_eq!(value(waits.await.unwrap()).0, "open");
        assert_eq!(value(h.ok(&h.op(), "no").await), ("open".into(), Kind::Replayed));
        assert_eq!(h.ran(), 1);
    }

    async fn a_success_of_an_unguarded_run_that_is_given_up(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Silent);
        h.store.fault(Verb::Finish, Fault::Silent);
        assert_eq!(value(open.ok(&open.op(), "open").await), ("open".into(), Kind::Unguarded));
        // It is sent again for a lease, and no claim of it can come after that.
        let again = open.start(&open.op(), "again", SECOND).await;
        tokio::time::sleep(LEASE - SECOND).await;
        assert_eq!(h.ran(), 1);
        assert_eq!(value(again.await.unwrap()), ("again".into(), Kind::Unguarded));
    }

    async fn a_failure_of_an_unguarded_run_that_has_not_landed(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Silent);
        h.store.fault(Verb::Finish, Fault::Silent);
        open.err(&open.op()).await.unwrap_err();
        let no_wait = open.op().wait(Duration::ZERO);
        assert_eq!(value(open.ok(&no_wait, "again").await), ("again".into(), Kind::Unguarded));
    }

    async fn a_success_of_an_unguarded_run_whose_claim_was_refused(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Refused);
        assert_eq!(value(open.ok(&open.op(), "open").await), ("open".into(), Kind::Unguarded));
        not_again_until_it_lands(&h, &open, "open", LEASE / 2).await;
    }

    async fn a_success_outlasts_the_claim_of_an_earlier_unguarded_run_that_is_being_withdrawn(h) {
        let open = open(&h);
        let op = open.op().wait(Duration::ZERO);
        h.store.fault(Verb::Claim, Fault::Lost(1_000_000));
        h.store.fault(Verb::Finish, Fault::Silent);
        open.err(&op).await.unwrap_err();
        assert_eq!(value(open.ok(&op, "mine").await), ("mine".into(), Kind::Unguarded));
        h.store.fault(Verb::Claim, Fault::None);
        tokio::time::sleep(SECOND).await;
        h.store.fault(Verb::Finish, Fault::None);
        tokio::time::sleep(LEASE * 2).await;
        assert_eq!(value(open.ok(&op, "no").await), ("mine".into(), Kind::Replayed));
    }

    async fn a_blip_of_the_store__guarded(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::NotApplied(8));
        assert_eq!(value(open.ok(&open.op(), "guarded").await), ("guarded".into(), Kind::Executed));
        h.store.fault(Verb::Claim, Fault::NotApplied(8));
        assert_eq!(value(open.ok(&open.op(), "no").await), ("guarded".into(), Kind::Replayed));
        assert_eq!((h.ran(), open.idem.unguarded()), (1, 0));
    }

    async fn a_retry_after_an_outage_of_the_store__replays_the_unguarded_run(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::NotApplied(1_000_000));
        assert_eq!(value(open.ok(&open.op(), "open").await), ("open".into(), Kind::Unguarded));
        h.store.fault(Verb::Claim, Fault::None);
        assert_eq!(value(open.ok(&open.op(), "no").await).0, "open");
        assert_eq!(value(h.ok(&h.op(), "no").await), ("open".into(), Kind::Replayed));
        assert_eq!(h.ran(), 1);
    }

    async fn a_key_is_free_when_what_would_land_is_dropped(h) {
        let open = h.under(Idem::builder(h.store.clone()).fail_open().spawner(drop).build().unwrap());
        h.store.fault(Verb::Finish, Fault::Silent);
        assert_eq!(value(open.ok(&open.op(), "mine").await), ("mine".into(), Kind::Executed));
        h.store.fault(Verb::Claim, Fault::Refused);
        let no_wait = open.op().wait(Duration::ZERO);
        assert_eq!(value(open.ok(&no_wait, "again").await), ("again".into(), Kind::Unguarded));
    }

    async fn a_success_is_recorded_although_its_call_slept(h) {
        let open = open(&h);
        let op = open.op();
        let mut mine = Box::pin(open.ok_after(&op, "mine", SECOND));
        assert!(polled_once_is_pending(mine.as_mut()).await);
        h.clock.step(LEASE);
        assert!(h.op().forget().await.unwrap());
        let hold = h.store.hold(Verb::Claim);
        tokio::time::sleep(SECOND).await;
        assert!(polled_once_is_pending(mine.as_mut()).await);
        // Not polled for longer than a store's time-out, and not for a lease.
        tokio::time::sleep(SECOND * 7).await;
        h.store.fault(Verb::Claim, Fault::Refused);
        assert!(matches!(refusal(open.ok(&open.op().wait(SECOND), "no").await), Error::InProgress { .. }));
        hold.add_permits(1000);
        assert_eq!(value(mine.await), ("mine".into(), Kind::Executed));
        h.store.fault(Verb::Claim, Fault::None);
        tokio::time::sleep(LEASE * 3).await;
        assert_eq!((value(h.ok(&h.op(), "again").await), h.ran()), (("mine".into(), Kind::Replayed), 1));
    }

    async fn store_refuses_and_the_body_runs_unguarded(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Refused);
        assert!(matches!(refusal(h.ok(&h.op(), "closed").await), Error::Store { .. }));
        assert_eq!(value(open.ok(&open.op(), "open").await), ("open".into(), Kind::Unguarded));
        assert_eq!((h.ran(), open.idem.unguarded(), h.idem.unguarded()), (1, 1, 0));
        assert_eq!(h.store.count(Verb::Finish), 0, "there is nothing to end");
        h.store.fault(Verb::Claim, Fault::None);
        let other = open.idem.operation(NAME).key("other");
        assert_eq!(value(open.ok(&other, "guarded").await), ("guarded".into(), Kind::Executed));
        h.store.fault(Verb::Claim, Fault::Refused);
        let again = open.ok(&other, "unguarded").await;
        let expected = if h.peeks() { ("guarded", Kind::Replayed) } else { ("unguarded", Kind::Unguarded) };
        assert_eq!(value(again), (expected.0.into(), expected.1));
    }

    async fn store_silent_and_the_body_runs_unguarded(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Silent);
        let op = open.op();
        let answer: Answer<u64> = op.run(async { Ok(u64::from(current().unwrap().attempt())) }).await;
        let outcome = answer.unwrap();
        assert_eq!((outcome.kind(), outcome.into_inner()), (Kind::Unguarded, 0));
    }

    async fn an_error_reaches_the_caller_unchanged(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Refused);
        assert!(matches!(open.err(&open.op()).await, Err(idem::CallError::Body(_))));
        assert_eq!(h.ran(), 1);
    }

    async fn a_claim_that_was_granted_after_all_gets_the_record(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Lost(1000));
        assert_eq!(value(open.ok(&open.op(), "open").await), ("open".into(), Kind::Unguarded));
        settle().await;
        h.store.fault(Verb::Claim, Fault::None);
        assert_eq!(value(h.ok(&h.op(), "no").await), ("open".into(), Kind::Replayed));
        assert_eq!(h.ran(), 1);
    }

    async fn a_claim_that_comes_too_late_is_not_renewed(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Late(LEASE * 2));
        open.err(&open.op()).await.unwrap_err();
        h.store.fault(Verb::Claim, Fault::None);
        tokio::time::sleep(LEASE * 4).await;
        assert_eq!(value(h.ok(&h.op(), "again").await), ("again".into(), Kind::Executed));
    }

    async fn dropped_unguarded__its_claim_is_withdrawn(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Lost(1000));
        let call = open.start(&open.op(), "dropped", LEASE / 3).await;
        tokio::time::sleep(LEASE / 2).await;
        assert_eq!(h.ran(), 1);
        call.abort();
        let _ = call.await;
        settle().await;
        assert!(h.record().await.unwrap().is_blank());
        h.store.fault(Verb::Claim, Fault::None);
        assert_eq!(value(h.ok(&h.op(), "next").await), ("next".into(), Kind::Executed));
    }

    async fn one_at_a_time(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Refused);
        let first = open.start(&open.op(), "first", LEASE * 2).await;
        let second = open.start(&open.op().wait(LEASE * 4), "second", SECOND).await;
        tokio::time::sleep(LEASE + SECOND).await;
        assert_eq!(h.ran(), 1, "the second waits, however long it takes");
        assert!(matches!(refusal(open.ok(&open.op().wait(SECOND / 2), "third").await), Error::InProgress { .. }));
        assert_eq!(value(first.await.unwrap()), ("first".into(), Kind::Unguarded));
        // The first success could not be recorded within a lease. It has reached only its own caller.
        assert_eq!(value(second.await.unwrap()), ("second".into(), Kind::Unguarded));
        assert_eq!(h.ran(), 2);
    }

    async fn nobody_waits_for_a_failure_that_may_never_land(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Late(LEASE * 2));
        open.err(&open.op()).await.unwrap_err();
        h.store.fault(Verb::Claim, Fault::Refused);
        assert_eq!(value(open.ok(&open.op().wait(Duration::ZERO), "second").await), ("second".into(), Kind::Unguarded));
    }

    async fn a_success_finds_its_way_back_all_the_same(h) {
        let open = open(&h);
        let call = open.start(&open.op(), "mine", SECOND).await;
        h.op().forget().await.unwrap_err();
        h.clock.step(LEASE);
        assert!(h.op().forget().await.unwrap(), "the record is gone");
        h.store.fault(Verb::Claim, Fault::NotApplied(4));
        assert_eq!(value(call.await.unwrap()), ("mine".into(), Kind::Executed));
        tokio::time::sleep(LEASE).await;
        assert_eq!(value(h.ok(&h.op(), "no").await), ("mine".into(), Kind::Replayed));
    }

    async fn another_fingerprint_beside_an_unguarded_run(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Refused);
        let first = open.start(&open.op().fingerprint("a"), "first", SECOND).await;
        assert!(matches!(refusal(open.ok(&open.op().fingerprint("b"), "no").await), Error::KeyReused { .. }));
        assert_eq!(value(first.await.unwrap()), ("first".into(), Kind::Unguarded));
    }

    async fn never_with_at_most_once(h) {
        let open = open(&h);
        h.store.fault(Verb::Claim, Fault::Refused);
        assert!(matches!(refusal(open.ok(&open.op().at_most_once(), "no").await), Error::Store { .. }));
        assert_eq!(h.ran(), 0);
    }

    async fn an_owner_elsewhere_was_heard_of(h) {
        let open = open(&h);
        let _theirs = h.elsewhere().hang(&h.elsewhere().op()).await;
        let waiting = open.start(&open.op(), "no", SECOND).await;
        let follower = open.start(&open.op(), "no", SECOND).await;
        h.store.fault(Verb::Claim, Fault::Refused);
        for call in [waiting, follower] {
            assert!(matches!(refusal(call.await.unwrap()), Error::InProgress { .. }));
        }
        assert_eq!(h.ran(), 1);
        h.clock.step(LEASE);
        h.store.fault(Verb::Claim, Fault::None);
        assert_eq!(value(open.ok(&open.op(), "next").await), ("next".into(), Kind::Executed));
    }

    async fn an_owner_elsewhere_was_heard_of_before_the_next_leader_was_dropped(h) {
        let open = open(&h);
        let _theirs = h.elsewhere().hang(&h.elsewhere().op()).await;
        let first = open.start(&open.op(), "no", SECOND).await;
        let next = open.start(&open.op(), "no", SECOND).await;
        let last = open.start(&open.op(), "no", SECOND).await;
        let _hold = h.store.hold(Verb::Claim);
        first.abort();
        settle().await;
        h.store.fault(Verb::Claim, Fault::Refused);
        next.abort();
        assert!(matches!(refusal(last.await.unwrap()), Error::InProgress { .. }), "it has heard of the owner all the same");
        assert_eq!(h.ran(), 1);
        h.clock.step(LEASE);
        h.store.fault(Verb::Claim, Fault::None);
        assert_eq!(value(open.ok(&open.op(), "next").await), ("next".into(), Kind::Executed));
    }

    async fn an_owner_in_this_process_whose_lease_cannot_be_renewed(h) {
        let open = open(&h);
        let owner = open.start(&open.op(), "owner", LEASE * 3).await;
        for verb in [Verb::Claim, Verb::Renew] {
            h.store.fault(verb, Fault::NotApplied(100_000));
        }
        tokio::time::sleep(LEASE * 2).await;
        // The first takes the slot of an owner that is not heard of, the second finds nobody in it but behind it.
        for _ in 0..2 {
            assert!(matches!(refusal(open.ok(&open.op(), "no").await), Error::InProgress { .. }));
        }
        assert_eq!(h.ran(), 1);
        assert_eq!(value(owner.await.unwrap()), ("owner".into(), Kind::Executed));
        let after = open.ok(&open.op(), "after").await;
        let expected = if h.peeks() { ("owner", Kind::Replayed) } else { ("after", Kind::Unguarded) };
        assert_eq!(value(after), (expected.0.into(), expected.1));
    }

    async fn a_leader_that_slept_over_its_own_time_out(h) {
        let open = open(&h);
        let hold = h.store.hold(Verb::Claim);
        let op = open.op();
        let mut asleep = Box::pin(open.ok(&op, "asleep"));
        assert!(polled_once_is_pending(asleep.as_mut()).await);
        tokio::time::sleep(WAIT).await;
        h.store.fault(Verb::Claim, Fault::Refused);
        let awake = started({ let open = open.clone(); async move { open.ok_after(&open.op(), "awake", SECOND).await } }).await;
        assert!(matches!(refusal(asleep.await), Error::InProgress { .. }), "not beside the other");
        assert_eq!(value(awake.await.unwrap()), ("awake".into(), Kind::Unguarded));
        assert_eq!(h.ran(), 1);
        drop(hold);
    }

    async fn a_failure_that_nothing_guarded_leaves_unknown_what_was(h) {
        for once in [false, true] {
            let under = |h: &Harness| match once {
                true => h.idem.operation(NAME).key(once).at_most_once(),
                false => h.idem.operation(NAME).key(once),
            };
            h.abandon(&under(&h)).await;
            let open = open(&h);
            let asks = |h: &Harness| {
                h.idem.operation(NAME).key(once).reconcile(|| ready(Ok::<_, Declined>(Some("the first's".to_owned()))))
            };
            // Applied, and never answered: what became of the first attempt is not asked.
            h.store.fault(Verb::Claim, Fault::Lost(usize::MAX));
            let failed: Answer<String> = asks(&open).run(async { Err(Declined) }).await;
            assert!(matches!(failed, Err(CallError::Body(Declined))), "{failed:?}");
            h.store.fault(Verb::Claim, Fault::None);
            landed().await;
            tokio::time::sleep(2 * LEASE).await;
            if once {
                assert!(matches!(refusal(h.ok(&under(&h), "again").await), Error::Indeterminate { .. }));
            }
            let found: Answer<String> = asks(&h).run(async { Ok("again".to_owned()) }).await;
            assert_eq!(value(found), ("the first's".to_owned(), Kind::Reconciled));
        }
    }

    async fn disabled_runs_every_body_and_counts_it(h) {
        let off = h.under(Idem::disabled());
        for _ in 0..2 {
            assert_eq!(value(off.ok(&off.op().at_most_once(), "off").await), ("off".into(), Kind::Unguarded));
        }
        assert_eq!(value(off.ok(&off.idem.operation("").key(""), "off").await), ("off".into(), Kind::Unguarded));
        assert_eq!((h.ran(), off.idem.unguarded(), h.store.count(Verb::Claim)), (3, 3, 0));
        assert!(matches!(off.op().inspect().await, Err(Error::Store { .. })));
        h.ok(&h.op(), "on").await.unwrap();
        assert_eq!(value(h.ok(&h.op(), "on").await), ("on".into(), Kind::Replayed));
    }

    async fn without_a_key_is_counted_too(h) {
        let op = h.idem.operation("test.op").key(None::<u32>);
        assert_eq!(value(h.ok(&op, "free").await), ("free".into(), Kind::Unguarded));
        assert_eq!(h.idem.unguarded(), 1);
        h.ok(&h.op(), "on").await.unwrap();
        assert_eq!(h.idem.unguarded(), 1);
    }
}

#[idempotent(name = "disabled.detached", idem = idem, key = 1, detached)]
async fn detached(idem: Idem) -> Result<u32, Error> {
    Ok(7)
}

#[tokio::test]
async fn disabled_in_the_macro_and_detached() {
    let off = Idem::disabled();
    assert_eq!((detached(off.clone()).await.unwrap(), detached(off.clone()).await.unwrap()), (7, 7));
    assert_eq!(off.unguarded(), 2);
}

/// Counts how many bodies run at once.
#[derive(Default)]
struct AtOnce {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl AtOnce {
    async fn body(self: Arc<Self>, pause: Duration) -> Result<String, Declined> {
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::time::sleep(pause).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        Ok(String::new())
    }
}

#[tokio::test(start_paused = true)]
async fn a_granted_call_that_was_not_polled_does_not_run_beside_an_unguarded_body() {
    let h = open(&Harness::asking());
    let at_once = Arc::new(AtOnce::default());
    let hold = h.store.hold(Verb::Claim);
    let op = h.op();
    let unpolled = polled_once(Box::pin(op.run(at_once.clone().body(SECOND)))).await;
    hold.add_permits(1); // the claim is granted
    tokio::time::sleep(SECOND * 6).await; // not polled for longer than a claim may take
    h.store.fault(Verb::Claim, Fault::Refused);
    let other = {
        let (op, at_once) = (h.op(), at_once.clone());
        started(async move { op.run(at_once.body(SECOND * 20)).await }).await
    };
    let _ = (unpolled.await, other.await);
    assert_eq!(at_once.most.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_owner_elsewhere_was_heard_of_by_a_leader_that_is_not_polled() {
    let h = open(&Harness::asking());
    let theirs = h.elsewhere();
    let _theirs = theirs.hang(&theirs.op()).await;
    let op = h.op();
    let _unpolled = polled_once(Box::pin(h.ok(&op, "no"))).await; // its claim is answered: in progress, for 15 s
    tokio::time::sleep(SECOND * 7).await;
    h.store.fault(Verb::Claim, Fault::Refused);
    let answer = h.ok(&h.op(), "beside the owner").await;
    assert!(matches!(answer, Err(CallError::Idem(Error::InProgress { .. }))), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_follower_runs_unguarded_even_if_its_leader_may_not() {
    let h = open(&Harness::asking());
    h.store.fault(Verb::Claim, Fault::Silent);
    let _leader = h.start(&h.op().at_most_once(), "no", SECOND).await;
    let follower = h.start(&h.op(), "follower", SECOND).await;
    assert_eq!(value(follower.await.unwrap()), ("follower".into(), Kind::Unguarded));
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_heard_of_an_owner_does_not_run_beside_it() {
    let h = open(&Harness::asking());
    let there = h.elsewhere();
    let _theirs = there.hang(&there.op()).await;
    let leader = h.start(&h.op().at_most_once(), "no", SECOND).await;
    let follower = h.start(&h.op(), "beside the owner", SECOND).await;
    tokio::time::sleep(SECOND).await;
    h.store.fault(Verb::Claim, Fault::Refused);
    assert!(matches!(refusal(leader.await.unwrap()), Error::Store { .. }));
    assert!(matches!(refusal(follower.await.unwrap()), Error::InProgress { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_arrives_after_an_unguarded_failure_is_withdrawn() {
    let idem = Idem::builder(Broken::new(Bug::ClaimsLate)).fail_open().build().unwrap();
    let op = idem.operation("op").key(1);
    let failed: Answer<u32> = op.run(async { Err(Declined) }).await;
    assert!(matches!(failed, Err(CallError::Body(Declined))));
    tokio::time::sleep(SECOND * 12).await;
    // There was no record before the claim, so withdrawing it leaves none.
    assert_eq!(op.inspect().await.unwrap(), None);
    let again = op.run(async { Ok::<u32, Declined>(1) }).await.unwrap();
    assert_eq!(again.kind(), Kind::Executed);
}
