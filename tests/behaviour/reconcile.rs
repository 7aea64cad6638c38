//! An attempt whose outcome is unknown, and a caller that can find out: `reconcile`.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use idem::{current, idempotent, with_outcome, CallError, Error, Idem, Kind, Outcome, State};
use tokio::task::JoinHandle;

use super::support::{
    landed, polled_once, polled_once_is_pending, refusal, rows, settle, started, value, Answer, Declined, Fault,
    Harness, Verb, LEASE, SECOND, TTL,
};

/// What the world says when it is asked.
#[derive(Debug, Clone, Copy)]
enum Says {
    Happened,
    DidNot,
    Fails,
    Hangs,
    /// Hangs for a while, then: it did not.
    Slowly(u32),
    Panics,
}

#[derive(Clone, Default)]
struct World {
    asked: Arc<AtomicUsize>,
}

impl World {
    async fn ask(self, says: Says) -> Result<Option<String>, Declined> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match says {
            Says::Happened => Ok(Some("found".to_owned())),
            Says::DidNot => Ok(None),
            Says::Fails => Err(Declined),
            Says::Hangs => pending().await,
            Says::Slowly(seconds) => {
                tokio::time::sleep(SECOND * seconds).await;
                Ok(None)
            }
            Says::Panics => panic!("the world ends"),
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Calls with a `reconcile` that says what it is told to.
async fn call(h: &Harness, world: &World, says: Says) -> Answer<String> {
    let world = world.clone();
    let op = h.op().reconcile(move || world.clone().ask(says));
    let h = h.clone();
    op.run(async move {
        h.count_run();
        Ok("ran".to_owned())
    })
    .await
}

/// A call that asks for so long that its lease runs out.
async fn asks_past_its_lease(h: &Harness) -> (World, JoinHandle<Answer<String>>) {
    let world = World::default();
    h.abandon(&h.op()).await;
    h.store.fault(Verb::Renew, Fault::NotApplied(1000));
    let (asking, answers) = (h.clone(), world.clone());
    let task = started(async move { call(&asking, &answers, Says::Slowly(60)).await }).await;
    h.clock.step(LEASE);
    (world, task)
}

rows! {
    async fn unknown_and_it_happened(h) {
        let world = World::default();
        h.abandon(&h.op()).await;
        let ran = h.ran();
        assert_eq!(value(call(&h, &world, Says::Happened).await), ("found".into(), Kind::Reconciled));
        assert!(Kind::Reconciled.is_replayed());
        assert_eq!((h.ran(), world.asked()), (ran, 1));
        assert_eq!(value(call(&h, &world, Says::DidNot).await), ("found".into(), Kind::Replayed));
        let other = h.elsewhere();
        assert_eq!(value(other.ok(&other.op(), "plain").await), ("found".into(), Kind::Replayed));
        assert_eq!((h.ran(), world.asked()), (ran, 1));
    }

    async fn unknown_and_it_did_not_happen(h) {
        let world = World::default();
        h.abandon(&h.op()).await;
        let ran = h.ran();
        assert_eq!(value(call(&h, &world, Says::DidNot).await), ("ran".into(), Kind::Executed));
        assert_eq!((h.ran(), world.asked()), (ran + 1, 1));
        assert_eq!(h.record().await.unwrap().attempt, 2);
        assert_eq!(value(call(&h, &world, Says::Happened).await), ("ran".into(), Kind::Replayed));
    }

    async fn the_question_fails_and_the_outcome_stays_unknown(h) {
        let world = World::default();
        h.abandon(&h.op()).await;
        let ran = h.ran();
        for _ in 0..2 {
            let (answer, kind) = with_outcome(call(&h, &world, Says::Fails)).await;
            assert!(matches!(answer, Err(CallError::Body(Declined))));
            assert_eq!(kind, Some(Kind::Reconciled));
            let record = h.record().await.unwrap();
            assert_eq!((record.state, record.attempt), (State::Unknown, 1));
        }
        assert_eq!((h.ran(), world.asked()), (ran, 2));
        assert_eq!(value(call(&h, &world, Says::Happened).await), ("found".into(), Kind::Reconciled));
    }

    async fn dropped_while_asking_the_outcome_stays_unknown(h) {
        let world = World::default();
        h.abandon(&h.op()).await;
        let task = tokio::spawn({
            let (h, world) = (h.clone(), world.clone());
            async move { call(&h, &world, Says::Hangs).await }
        });
        settle().await;
        assert_eq!(world.asked(), 1);
        assert!(matches!(h.record().await.unwrap().state, State::Running { .. }), "asked under a lease");
        task.abort();
        task.await.unwrap_err();
        settle().await;
        let record = h.record().await.unwrap();
        assert_eq!((record.state, record.attempt), (State::Unknown, 1));
        assert_eq!(value(call(&h, &world, Says::DidNot).await), ("ran".into(), Kind::Executed));
    }

    async fn a_panic_while_asking_goes_on_and_the_outcome_stays_unknown(h) {
        let world = World::default();
        h.abandon(&h.op()).await;
        let task = tokio::spawn({
            let (h, world) = (h.clone(), world.clone());
            async move { call(&h, &world, Says::Panics).await }
        });
        assert!(task.await.unwrap_err().is_panic());
        landed().await;
        assert_eq!(h.record().await.unwrap().state, State::Unknown);
        assert_eq!(value(call(&h, &world, Says::Happened).await), ("found".into(), Kind::Reconciled));
    }

    async fn at_most_once_asks_and_does_not_refuse(h) {
        let world = World::default();
        let once = h.op().at_most_once();
        h.abandon(&once).await;
        assert!(matches!(refusal(h.ok(&once, "no").await), Error::Indeterminate { attempt: 1, .. }));
        let op = { let world = world.clone(); once.clone().reconcile(move || world.clone().ask(Says::Fails)) };
        assert!(matches!(op.run(async { Ok("no".to_owned()) }).await, Err(CallError::Body(Declined))));
        assert!(matches!(refusal(h.ok(&once, "no").await), Error::Indeterminate { attempt: 1, .. }), "as before");
        let op = { let world = world.clone(); once.reconcile(move || world.clone().ask(Says::DidNot)) };
        assert_eq!(value(op.run(async { Ok("ran".to_owned()) }).await), ("ran".into(), Kind::Executed));
    }

    async fn lease_over_is_asked_too(h) {
        let world = World::default();
        let _hangs = h.hang(&h.op()).await;
        h.clock.step(LEASE);
        assert_eq!(value(call(&h.elsewhere(), &world, Says::Happened).await), ("found".into(), Kind::Reconciled));
    }

    async fn nothing_is_asked_where_nothing_is_unknown(h) {
        let world = World::default();
        assert_eq!(value(call(&h, &world, Says::Happened).await), ("ran".into(), Kind::Executed));
        assert_eq!(value(call(&h, &world, Says::Happened).await), ("ran".into(), Kind::Replayed));
        let other = h.idem.operation("test.op").key("failed");
        h.err(&other).await.unwrap_err();
        let op = { let world = world.clone(); other.reconcile(move || world.clone().ask(Says::Happened)) };
        assert_eq!(value(op.run(async { Ok("ran".to_owned()) }).await), ("ran".into(), Kind::Executed));
        assert_eq!(world.asked(), 0);
    }

    async fn the_lease_is_renewed_while_asking(h) {
        let world = World::default();
        h.abandon(&h.op()).await;
        let renewed = h.store.count(Verb::Renew);
        assert_eq!(value(call(&h, &world, Says::Slowly(60)).await), ("ran".into(), Kind::Executed));
        assert!(h.store.count(Verb::Renew) > renewed + 10);
        assert_eq!((h.ran(), world.asked()), (2, 1));
    }

    async fn the_lease_is_lost_while_asking_and_nobody_had_the_key(h) {
        let world = World::default();
        h.abandon(&h.op()).await;
        h.store.fault(Verb::Renew, Fault::NotApplied(1000));
        let op = {
            let world = world.clone();
            h.op().reconcile(move || world.clone().ask(Says::Slowly(60)))
        };
        let answer: Answer<String> = op.run(async {
            let mut lost = std::pin::pin!(current().unwrap().lost());
            assert!(polled_once_is_pending(lost.as_mut()).await, "the lease is a new one");
            Ok("ran".to_owned())
        }).await;
        assert_eq!((value(answer), world.asked()), (("ran".into(), Kind::Executed), 1));
        assert_eq!(h.store.count(Verb::Claim), 3, "claimed again before the body ran");
    }

    async fn a_renewal_says_that_the_key_is_lost_while_asking(h) {
        let world = World::default();
        h.abandon(&h.op()).await;
        let (asking, answers) = (h.clone(), world.clone());
        let task = started(async move { call(&asking, &answers, Says::Slowly(10)).await }).await;
        h.clock.step(LEASE);
        let other = h.elsewhere();
        assert_eq!(value(other.ok(&other.op(), "theirs").await), ("theirs".into(), Kind::Executed));
        assert_eq!(value(task.await.unwrap()), ("theirs".into(), Kind::Replayed), "though its own clock says it has it");
        assert_eq!(h.ran(), 2);
    }

    async fn the_lease_is_lost_while_asking_and_somebody_ran_it(h) {
        let (_, task) = asks_past_its_lease(&h).await;
        let other = h.elsewhere();
        assert_eq!(value(other.ok(&other.op(), "theirs").await), ("theirs".into(), Kind::Executed));
        assert_eq!(value(task.await.unwrap()), ("theirs".into(), Kind::Replayed));
        assert_eq!(h.ran(), 2, "not a third time");
    }

    async fn the_lease_is_lost_while_asking_and_another_attempt_went_by(h) {
        let (world, task) = asks_past_its_lease(&h).await;
        let other = h.elsewhere();
        other.abandon(&other.op()).await;
        assert!(matches!(refusal(task.await.unwrap()), Error::InProgress { .. }), "its answer was of an earlier attempt");
        assert_eq!((h.ran(), world.asked()), (2, 1));
        h.store.fault(Verb::Renew, Fault::None);
        assert_eq!(value(call(&h, &world, Says::DidNot).await), ("ran".into(), Kind::Executed));
    }

    async fn its_own_key_is_reentrant_and_it_knows_its_call(h) {
        h.abandon(&h.op()).await;
        let inner = h.op();
        let op = h.op().reconcile(move || {
            let inner = inner.clone();
            async move {
                assert_eq!(current().unwrap().attempt(), 2);
                let answer: Answer<String> = inner.run(ready(Ok("inside".to_owned()))).await;
                assert!(matches!(refusal(answer), Error::Reentrant { .. }));
                Ok(None)
            }
        });
        assert_eq!(value(op.run(async { Ok("ran".to_owned()) }).await), ("ran".into(), Kind::Executed));
    }

    async fn what_was_refused_while_asking_is_no_concern_of_the_body(h) {
        h.abandon(&h.op()).await;
        let inner = h.op();
        let op = h.op().record_err(|_: &String| true).reconcile(move || {
            let inner = inner.clone();
            async move {
                let refused: Result<Outcome<u8>, CallError<String>> = inner.run(ready(Ok(1))).await;
                refused.unwrap_err();
                Ok(None)
            }
        });
        for kind in [Kind::Executed, Kind::Replayed] {
            let (answer, told) = with_outcome(op.run(ready(Err::<u8, _>("the body's own".to_owned())))).await;
            assert!(matches!(answer, Err(CallError::Body(error)) if error == "the body's own"));
            assert_eq!(told, Some(kind), "it is recorded");
        }
    }

    async fn found_and_not_replayable_is_done_all_the_same(h) {
        h.abandon(&h.op()).await;
        let op = h.op().reconcile(|| ready(Ok(Some(f64::NAN))));
        let outcome: Outcome<f64> = op.run(ready(Err(Declined))).await.unwrap();
        assert!(outcome.into_inner().is_nan());
        let again: Answer<f64> = op.run(ready(Err(Declined))).await;
        assert!(matches!(refusal(again), Error::Unreplayable { .. }));
    }

    async fn what_was_found_lands_late(h) {
        let world = World::default();
        h.abandon(&h.op()).await;
        h.store.fault(Verb::Finish, Fault::NotApplied(30));
        assert_eq!(value(call(&h, &world, Says::Happened).await), ("found".into(), Kind::Reconciled));
        tokio::time::sleep(TTL / 24).await;
        assert_eq!(value(call(&h, &world, Says::DidNot).await), ("found".into(), Kind::Replayed));
    }
}

#[derive(Clone)]
struct Gateway {
    idem: Idem,
    charges: Arc<AtomicUsize>,
    found: bool,
    hangs: bool,
}

impl Gateway {
    async fn find(&self, id: &str) -> Result<Option<String>, Failure> {
        Ok(self.found.then(|| format!("found {id}")))
    }

    fn reachable(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn charge(self, id: String) -> Result<String, Failure> {
        self.charges.fetch_add(1, Ordering::SeqCst);
        if self.hangs {
            pending::<()>().await;
        }
        Ok(format!("charged {id}"))
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Idempotency(#[from] Error),
}

/// The future borrows what the body takes.
#[idempotent(name = "reconcile.borrows", idem = gateway.idem, key = id, reconcile = gateway.find(&id.to_string()), at_most_once)]
async fn borrows(gateway: Gateway, id: String) -> Result<String, Failure> {
    gateway.charge(id).await
}

#[idempotent(name = "reconcile.detached", idem = gateway.idem, key = id, detached,
    reconcile = async { gateway.reachable()?; gateway.find(&id).await })]
async fn detached(gateway: Gateway, id: String) -> Result<String, Failure> {
    gateway.charge(id).await
}

rows! {
    async fn in_the_macro(h) {
        let charges = Arc::new(AtomicUsize::new(0));
        let hangs = Gateway { idem: h.idem.clone(), charges: charges.clone(), found: false, hangs: true };
        let found = Gateway { found: true, hangs: false, ..hangs.clone() };
        let not_found = Gateway { hangs: false, ..hangs.clone() };
        for id in ["a", "b"] {
            let call = tokio::spawn(borrows(hangs.clone(), id.into()));
            settle().await;
            call.abort();
            call.await.unwrap_err();
        }
        let (answer, kind) = with_outcome(borrows(found.clone(), "a".into())).await;
        assert_eq!((answer.unwrap(), kind), ("found a".into(), Some(Kind::Reconciled)));
        let (answer, kind) = with_outcome(borrows(not_found.clone(), "b".into())).await;
        assert_eq!((answer.unwrap(), kind), ("charged b".into(), Some(Kind::Executed)));
        assert_eq!(charges.load(Ordering::SeqCst), 3);
        let (answer, kind) = with_outcome(borrows(found, "b".into())).await;
        assert_eq!((answer.unwrap(), kind), ("charged b".into(), Some(Kind::Replayed)));
    }

    async fn in_the_macro_detached(h) {
        let charges = Arc::new(AtomicUsize::new(0));
        let found = Gateway { idem: h.idem.clone(), charges: charges.clone(), found: true, hangs: false };
        h.abandon(&h.idem.operation("reconcile.detached").key("a")).await;
        let (answer, kind) = with_outcome(detached(found.clone(), "a".into())).await;
        assert_eq!((answer.unwrap(), kind), ("found a".into(), Some(Kind::Reconciled)));
        let (answer, kind) = with_outcome(detached(found, "b".into())).await;
        assert_eq!((answer.unwrap(), kind), ("charged b".into(), Some(Kind::Executed)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_detached_body_that_begins_after_a_takeover_is_not_run_before_reconcile() {
    let h = Harness::asking();
    let (late, queue) = h.with_queued_spawner();
    let asked = Arc::new(AtomicUsize::new(0));
    let a = asked.clone();
    let op = late.op().at_most_once().reconcile(move || {
        a.fetch_add(1, Ordering::SeqCst);
        ready(Ok::<_, Declined>(Some("charged elsewhere".to_owned())))
    });
    let h2 = h.clone();
    let call = polled_once(Box::pin(op.detached().run(async move {
        h2.count_run();
        Ok("charged again".to_owned())
    })))
    .await;
    // The claim was granted and the run spawned, but the executor does not poll it for a lease.
    tokio::time::sleep(LEASE + SECOND).await;
    let other = h.elsewhere();
    let op = other.op().at_most_once().reconcile(|| ready(Ok::<_, Declined>(None::<String>)));
    // Another process takes the key over, begins its body and drops it.
    drop(
        polled_once(Box::pin(op.run(async {
            h.count_run();
            pending().await
        })))
        .await,
    );
    assert_eq!((h.ran(), h.record().await.unwrap().state), (1, State::Unknown));
    tokio::spawn(queue.lock().unwrap().pop().unwrap());
    // This call may neither reconcile nor run any more; the next call reconciles.
    assert!(matches!(refusal(call.await), Error::InProgress { .. }));
    assert_eq!((asked.load(Ordering::SeqCst), h.ran()), (0, 1));
    assert_eq!(h.record().await.unwrap().state, State::Unknown);
    let op = h.op().at_most_once().reconcile(|| ready(Ok::<_, Declined>(Some("charged".to_owned()))));
    assert_eq!(value(op.run(ready(Ok("no".to_owned()))).await), ("charged".into(), Kind::Reconciled));
}
