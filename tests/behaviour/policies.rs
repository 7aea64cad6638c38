//! `record_if` and `unknown_err`: the caller says what an outcome means.

use idem::{idempotent, Error, Failed, Idem, Kind, Phase};

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

fn panics<T>(_: &T) -> bool {
    panic!("the user's own")
}

rows! {
    async fn ok_and_record_if_says_no__released_and_the_value(h) {
        let op = h.op().fingerprint("request").record_if(Status::is_final);
        let answer = op.run(async { h.count_run(); Ok::<_, Declined>(Status::Pending) }).await.unwrap();
        assert_eq!((answer.kind(), answer.into_inner()), (Kind::Executed, Status::Pending));
        assert_eq!(h.record().await.unwrap().phase, Phase::Released);
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

    async fn err_and_unknown_err__abandoned_and_the_error_unchanged(h) {
        let op = h.op().unknown_err(GatewayError::leaves_it_open);
        for (error, phase) in [(GatewayError::Declined, Phase::Released), (GatewayError::TimedOut, Phase::Abandoned)] {
            let expected = error.to_string();
            let failed = op.run(async { Err::<u8, _>(error) }).await.unwrap_err();
            assert!(matches!(failed, Failed::Body(error) if error.to_string() == expected));
            assert_eq!(h.record().await.unwrap().phase, phase);
        }
        let refused = h.op().at_most_once().run(async { Ok::<u8, Declined>(1) }).await;
        assert!(matches!(refusal(refused), Error::Indeterminate { attempt: 2, .. }));
        let taken_over = op.run(async { Ok::<u8, GatewayError>(7) }).await.unwrap();
        assert_eq!((taken_over.kind(), h.record().await.unwrap().attempt), (Kind::Executed, 3));
    }

    async fn unknown_err_panics__abandoned_and_the_error_unchanged(h) {
        let op = h.op().unknown_err(panics::<Declined>);
        assert!(matches!(op.run(async { Err::<u8, _>(Declined) }).await, Err(Failed::Body(Declined))));
        assert_eq!(h.record().await.unwrap().phase, Phase::Abandoned, "the safer of the two");
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

    async fn both_together_and_detached(h) {
        let op = h.op().unknown_err(GatewayError::leaves_it_open).record_if(Status::is_final).detached();
        let pending = op.run(async { Ok::<_, GatewayError>(Status::Pending) }).await.unwrap();
        assert_eq!(pending.into_inner(), Status::Pending);
        op.run(async { Err::<Status, _>(GatewayError::TimedOut) }).await.unwrap_err();
        assert_eq!(h.record().await.unwrap().phase, Phase::Abandoned);
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
