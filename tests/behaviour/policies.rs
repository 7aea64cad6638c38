//! `record_if`, `record_err` and `unknown_err`: the caller says what an outcome means.

use idem::{idempotent, CallError, Error, Idem, Kind, State};

use crate::support::*;

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Status {
    Pending,
    Paid,
}

impl Status {
    fn is_final(&self) -> bool {
        *self == Self::Paid
    }
}

#[derive(Debug, thiserror::Error)]
enum GatewayError {
    #[error("declined")]
    Declined,
    #[error("timed out")]
    TimedOut,
    #[error(transparent)]
    Idempotency(#[from] Error),
}

impl GatewayError {
    fn leaves_it_open(&self) -> bool {
        matches!(self, Self::TimedOut)
    }
}

/// Errors that can be recorded.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
enum Refusal {
    Declined { code: u8 },
    Busy,
    Odds(f64),
    Ours(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Ours(error.to_string())
    }
}

impl Refusal {
    fn is_final(&self) -> bool {
        matches!(self, Self::Declined { .. } | Self::Odds(_))
    }
}

fn panics<T>(_: &T) -> bool {
    panic!("the user's own")
}

rows! {
    async fn ok_and_record_if_says_no__failed_and_the_value(h) {
        let op = h.op().fingerprint("request").record_if(Status::is_final);
        let answer = op.run(async { h.count_run(); Ok::<_, Declined>(Status::Pending) }).await.unwrap();
        assert_eq!((answer.kind(), answer.into_inner()), (Kind::Executed, Status::Pending));
        assert_eq!(h.record().await.unwrap().state, State::Failed);
        for kind in [Kind::Executed, Kind::Replayed] {
            let answer = op.run(async { h.count_run(); Ok::<_, Declined>(Status::Paid) }).await.unwrap();
            assert_eq!((answer.kind(), answer.into_inner()), (kind, Status::Paid));
        }
        assert_eq!((h.ran(), h.record().await.unwrap().attempt), (2, 2));
    }

    async fn record_if_panics__completed_and_the_value(h) {
        let op = h.op().record_if(panics::<Status>);
        for kind in [Kind::Executed, Kind::Replayed] {
            let answer = op.run(async { h.count_run(); Ok::<_, Declined>(Status::Pending) }).await.unwrap();
            assert_eq!((answer.kind(), answer.into_inner()), (kind, Status::Pending));
        }
        assert_eq!(h.ran(), 1);
    }

    async fn err_and_unknown_err__unknown_and_the_error_unchanged(h) {
        let op = h.op().unknown_err(GatewayError::leaves_it_open);
        for (error, state) in [(GatewayError::Declined, State::Failed), (GatewayError::TimedOut, State::Unknown)] {
            let expected = error.to_string();
            let failed = op.run(async { Err::<u8, _>(error) }).await.unwrap_err();
            assert!(matches!(failed, CallError::Body(error) if error.to_string() == expected));
            assert_eq!(h.record().await.unwrap().state, state);
        }
        let refused = h.op().at_most_once().run(async { Ok::<u8, Declined>(1) }).await;
        assert!(matches!(refusal(refused), Error::Indeterminate { attempt: 2, .. }));
        let taken_over = op.run(async { Ok::<u8, GatewayError>(7) }).await.unwrap();
        assert_eq!((taken_over.kind(), h.record().await.unwrap().attempt), (Kind::Executed, 3));
    }

    async fn unknown_err_panics__unknown_and_the_error_unchanged(h) {
        let op = h.op().unknown_err(panics::<Declined>);
        assert!(matches!(op.run(async { Err::<u8, _>(Declined) }).await, Err(CallError::Body(Declined))));
        assert_eq!(h.record().await.unwrap().state, State::Unknown, "the safer of the two");
    }

    async fn an_unknown_outcome_that_does_not_land_is_not_renewed(h) {
        let _hold = h.store.hold(Verb::Finish);
        let op = h.op().unknown_err(GatewayError::leaves_it_open);
        op.run(async { Err::<u8, _>(GatewayError::TimedOut) }).await.unwrap_err();
        tokio::time::sleep(2 * LEASE).await;
        let counts = || (h.store.count(Verb::Finish), h.store.count(Verb::Renew));
        let before = counts();
        tokio::time::sleep(TTL / 2).await;
        assert_eq!(counts(), before, "the lease said it");
    }

    async fn err_and_record_err__completed_and_replayed(h) {
        let op = h.op().fingerprint("request").record_err(Refusal::is_final);
        for kind in [None, Some(Kind::Replayed)] {
            let (failed, was) = idem::with_outcome(op.run(async { h.count_run(); Err::<u8, _>(Refusal::Declined { code: 51 }) })).await;
            assert!(matches!(failed, Err(CallError::Body(Refusal::Declined { code: 51 }))));
            assert!(kind.is_none() || was == kind);
        }
        assert_eq!(h.ran(), 1);
        let elsewhere = h.elsewhere().op().fingerprint("request").record_err(Refusal::is_final);
        let failed = elsewhere.run(async { h.count_run(); Ok::<u8, Refusal>(1) }).await;
        assert!(matches!(failed, Err(CallError::Body(Refusal::Declined { code: 51 }))));
        let other = h.op().fingerprint("other").record_err(Refusal::is_final);
        let reused = other.run(async { h.count_run(); Ok::<u8, Refusal>(1) }).await;
        assert!(matches!(reused, Err(CallError::Idem(Error::KeyReused { .. }))));
        assert_eq!(h.ran(), 1);
    }

    async fn err_that_record_err_does_not_want__failed(h) {
        let op = h.op().record_err(Refusal::is_final);
        op.run(async { Err::<u8, _>(Refusal::Busy) }).await.unwrap_err();
        assert_eq!(h.record().await.unwrap().state, State::Failed);
        for kind in [Kind::Executed, Kind::Replayed] {
            assert_eq!(op.run(async { Ok::<u8, Refusal>(1) }).await.unwrap().kind(), kind);
        }
    }

    async fn err_recorded_and_waited_for__attached(h) {
        let op = h.op().record_err(Refusal::is_final);
        let running = { let op = op.clone(); async move {
            op.run(async { tokio::time::sleep(SECOND).await; Err::<u8, _>(Refusal::Declined { code: 1 }) }).await
        } };
        let running = started(running).await;
        let (failed, kind) = idem::with_outcome(op.run(async { Ok::<u8, Refusal>(1) })).await;
        assert!(matches!(failed, Err(CallError::Body(Refusal::Declined { code: 1 }))));
        assert_eq!(kind, Some(Kind::Attached));
        running.await.unwrap().unwrap_err();
    }

    async fn err_recorded_and_met_by_a_late_detached_body__replayed(h) {
        let tasks = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let queue = std::sync::Arc::clone(&tasks);
        let busy = Idem::builder(h.store.clone()).spawner(move |task| queue.lock().unwrap().push(task)).build().unwrap();
        let late = busy.operation(NAME).key("k").record_err(Refusal::is_final).detached();
        let late = started(idem::with_outcome(late.run(async { Ok::<u8, Refusal>(1) }))).await;
        tokio::time::sleep(2 * LEASE).await;
        let theirs = h.op().record_err(Refusal::is_final);
        theirs.run(async { Err::<u8, _>(Refusal::Declined { code: 9 }) }).await.unwrap_err();
        let task = tasks.lock().unwrap().pop().unwrap();
        task.await;
        let (answer, kind) = late.await.unwrap();
        assert!(matches!(answer, Err(CallError::Body(Refusal::Declined { code: 9 }))));
        assert_eq!(kind, Some(Kind::Replayed), "it did not run");
    }

    async fn a_failure_says_where_it_came_from(h) {
        let fails = || async { Err::<u8, _>(Declined) };
        let unguarded = h.idem.operation(NAME).key(None::<u8>).detached();
        let kinds = [
            idem::with_outcome(h.op().run(fails())).await.1,
            idem::with_outcome(h.op().detached().run(fails())).await.1,
            idem::with_outcome(unguarded.run(fails())).await.1,
        ];
        assert_eq!(kinds, [Some(Kind::Executed), Some(Kind::Executed), Some(Kind::Unguarded)]);
    }

    async fn err_that_cannot_be_encoded__unreplayable_and_the_error(h) {
        let op = h.op().record_err(Refusal::is_final);
        let run = || op.run(async { h.count_run(); Err::<u8, _>(Refusal::Odds(f64::NAN)) });
        assert!(matches!(run().await, Err(CallError::Body(Refusal::Odds(odds))) if odds.is_nan()));
        assert!(matches!(run().await, Err(CallError::Idem(Error::Unreplayable { .. }))));
        assert_eq!(h.ran(), 1);
    }

    async fn record_err_panics__completed_and_the_error(h) {
        let op = h.op().record_err(panics::<Refusal>);
        for _ in 0..2 {
            let failed = op.run(async { h.count_run(); Err::<u8, _>(Refusal::Busy) }).await;
            assert!(matches!(failed, Err(CallError::Body(Refusal::Busy))));
        }
        assert_eq!(h.ran(), 1);
    }

    async fn unknown_err_goes_before_record_err(h) {
        let op = h.op().record_err(|_: &Refusal| true).unknown_err(|refusal| matches!(refusal, Refusal::Busy));
        op.run(async { Err::<u8, _>(Refusal::Busy) }).await.unwrap_err();
        assert_eq!(h.record().await.unwrap().state, State::Unknown);
    }

    async fn a_recorded_error_without_record_err__decode(h) {
        let op = h.op().record_err(Refusal::is_final);
        op.run(async { Err::<u8, _>(Refusal::Declined { code: 1 }) }).await.unwrap_err();
        let before = h.record().await;
        let without = h.op().run(async { h.count_run(); Ok::<u8, Refusal>(1) }).await;
        assert!(matches!(without, Err(CallError::Idem(Error::Decode { .. }))));
        assert_eq!((h.ran(), h.record().await), (0, before));
    }

    async fn success_lease_lost_to_a_recorded_error__that_error(h) {
        let op = h.op().record_err(Refusal::is_final);
        let mine = { let op = op.clone(); async move {
            op.run(async { tokio::time::sleep(4 * SECOND).await; Ok::<u8, Refusal>(1) }).await
        } };
        let mine = started(mine).await;
        h.clock.step(LEASE);
        let theirs = h.elsewhere().op().record_err(Refusal::is_final);
        theirs.run(async { Err::<u8, _>(Refusal::Declined { code: 2 }) }).await.unwrap_err();
        assert!(matches!(mine.await.unwrap(), Err(CallError::Body(Refusal::Declined { code: 2 }))));
    }

    async fn an_error_of_this_library_is_never_recorded(h) {
        #[idempotent(name = "policies.outer", key = id, idem = idem, record_err)]
        async fn outer(idem: &Idem, id: u64, inner_key: &str) -> Result<u64, Refusal> {
            inner(idem, inner_key).await
        }
        #[idempotent(name = "policies.inner", key = key, idem = idem, record_err = Refusal::is_final)]
        async fn inner(idem: &Idem, key: &str) -> Result<u64, Refusal> {
            if key == "declined" { Err(Refusal::Declined { code: 3 }) } else { Ok(7) }
        }
        assert!(matches!(outer(&h.idem, 1, "").await, Err(Refusal::Ours(_))), "the inner key is invalid");
        assert_eq!(outer(&h.idem, 1, "k").await.unwrap(), 7, "and that was not the outer call's result");
        for _ in 0..2 {
            assert!(matches!(outer(&h.idem, 2, "declined").await, Err(Refusal::Declined { code: 3 })));
        }
        assert!(matches!(outer(&h.idem, 2, "k").await, Err(Refusal::Declined { code: 3 })), "an own error was");
    }

    async fn both_together_and_detached(h) {
        let op = h.op().unknown_err(GatewayError::leaves_it_open).record_if(Status::is_final).detached();
        let pending = op.run(async { Ok::<_, GatewayError>(Status::Pending) }).await.unwrap();
        assert_eq!(pending.into_inner(), Status::Pending);
        op.run(async { Err::<Status, _>(GatewayError::TimedOut) }).await.unwrap_err();
        assert_eq!(h.record().await.unwrap().state, State::Unknown);
        for kind in [Kind::Executed, Kind::Replayed] {
            assert_eq!(op.run(async { Ok::<_, GatewayError>(Status::Paid) }).await.unwrap().kind(), kind);
        }
    }

    async fn as_options_of_the_attribute(h) {
        #[idempotent(
            name = "policies.charge",
            key = id,
            idem = idem,
            record_if = Status::is_final,
            unknown_err = GatewayError::leaves_it_open,
            at_most_once
        )]
        async fn charge(idem: &Idem, id: u64, outcome: Result<Status, GatewayError>) -> Result<Status, GatewayError> {
            outcome
        }
        assert_eq!(charge(&h.idem, 1, Ok(Status::Pending)).await.unwrap(), Status::Pending);
        assert!(matches!(charge(&h.idem, 1, Err(GatewayError::Declined)).await, Err(GatewayError::Declined)));
        assert_eq!(charge(&h.idem, 1, Ok(Status::Paid)).await.unwrap(), Status::Paid);
        assert_eq!(charge(&h.idem, 1, Ok(Status::Pending)).await.unwrap(), Status::Paid, "replayed");
        assert!(matches!(charge(&h.idem, 2, Err(GatewayError::TimedOut)).await, Err(GatewayError::TimedOut)));
        let refused = charge(&h.idem, 2, Ok(Status::Paid)).await;
        assert!(matches!(refused, Err(GatewayError::Idempotency(Error::Indeterminate { attempt: 1, .. }))));
    }
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
enum RecordedError {
    Idempotency(String),
    Body,
}

impl From<Error> for RecordedError {
    fn from(e: Error) -> Self {
        RecordedError::Idempotency(e.to_string())
    }
}

impl From<CallError<RecordedError>> for RecordedError {
    fn from(e: CallError<RecordedError>) -> Self {
        match e {
            CallError::Body(e) => e,
            CallError::Idem(e) => e.into(),
        }
    }
}

/// What a body does that fails.
enum FailsIn {
    Inspect,
    Retry,
    TheBody,
}

async fn state_after_an_error(fails_in: FailsIn) -> State {
    let h = Harness::asking();
    let inner = h.idem.operation("inner").key(2);
    h.store.fault(Verb::Load, Fault::Refused);
    let _ = h
        .op()
        .record_err(|_: &RecordedError| true)
        .run(async {
            match fails_in {
                FailsIn::Inspect => drop(inner.inspect().await?),
                FailsIn::Retry => drop(inner.retry().await?),
                FailsIn::TheBody => return Err(RecordedError::Body),
            }
            Ok::<u32, RecordedError>(7)
        })
        .await;
    h.record().await.unwrap().state
}

#[tokio::test(start_paused = true)]
async fn an_error_of_an_operators_request_in_a_body_is_not_recorded() {
    assert_eq!(state_after_an_error(FailsIn::Inspect).await, State::Failed);
    assert_eq!(state_after_an_error(FailsIn::Retry).await, State::Failed);
    assert!(
        matches!(state_after_an_error(FailsIn::TheBody).await, State::Completed(_)),
        "the body's own error is recorded"
    );
}
