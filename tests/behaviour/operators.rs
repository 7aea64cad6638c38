//! `inspect`, `resolve`, `retry`, `forget`: what operators do with a record.

use idem::{Error, Kind, Phase};

use crate::support::*;

rows! {
    async fn inspect_shows_the_record(h) {
        assert_eq!(h.op().inspect().await.unwrap(), None);
        h.err(&h.op()).await.unwrap_err();
        assert_eq!(h.op().inspect().await.unwrap(), h.record().await);
        h.ok(&h.op(), "a").await.unwrap();
        let record = h.op().inspect().await.unwrap().unwrap();
        assert_eq!((record.attempt, matches!(record.phase, Phase::Completed(_))), (2, true));
        assert!(h.idem.operation(NAME).key("").inspect().await.is_err());
        assert!(matches!(h.idem.operation(NAME).key(None::<u8>).inspect().await, Err(Error::Config { .. })));
    }

    async fn resolve_settles_an_unknown_outcome(h) {
        let op = h.op().at_most_once().fingerprint("request");
        h.abandon(&op).await;
        assert!(matches!(refusal(h.ok(&op, "b").await), Error::Indeterminate { .. }));
        assert!(op.resolve(&"it was paid".to_owned()).await.unwrap());
        for other in [h.clone(), h.elsewhere()] {
            let op = other.op().at_most_once().fingerprint("request");
            assert_eq!(value(h.ok(&op, "c").await), ("it was paid".into(), Kind::Replayed));
        }
        assert!(matches!(refusal(h.ok(&h.op().fingerprint("other"), "c").await), Error::KeyReused { .. }));
        assert_eq!(h.ran(), 1);
    }

    async fn resolve_mends_a_record_that_cannot_be_read(h) {
        h.op().run(async { Ok::<u32, Declined>(7) }).await.unwrap();
        assert!(matches!(refusal(h.ok(&h.op(), "b").await), Error::Decode { .. }));
        assert!(h.op().resolve(&"seven".to_owned()).await.unwrap());
        assert_eq!(value(h.ok(&h.op(), "b").await), ("seven".into(), Kind::Replayed));
    }

    async fn retry_lets_it_run_again(h) {
        let op = h.op().at_most_once();
        h.abandon(&op).await;
        assert!(op.retry().await.unwrap());
        assert_eq!(value(h.ok(&op, "b").await), ("b".into(), Kind::Executed));
        assert_eq!(h.record().await.unwrap().attempt, 2);
        assert!(op.retry().await.unwrap(), "also what is done");
        assert_eq!(value(h.ok(&op, "c").await), ("c".into(), Kind::Executed));
        assert_eq!(value(h.ok(&op, "d").await), ("c".into(), Kind::Replayed));
    }

    async fn forget_leaves_nothing(h) {
        h.ok(&h.op().fingerprint("one"), "a").await.unwrap();
        let fence = h.record().await.unwrap().fence;
        assert!(h.op().forget().await.unwrap());
        assert_eq!(h.record().await, None);
        assert!(!h.op().forget().await.unwrap(), "there was none");
        tokio::time::advance(SECOND).await;
        assert_eq!(value(h.ok(&h.op().fingerprint("other"), "b").await), ("b".into(), Kind::Executed));
        assert!(h.record().await.unwrap().fence > fence);
    }

    async fn a_live_lease_is_not_settled(h) {
        let running = h.hang(&h.op()).await;
        let before = h.record().await;
        let refused = [h.op().retry().await, h.op().forget().await, h.op().resolve(&"x".to_owned()).await];
        for refused in refused {
            let error = refused.unwrap_err();
            assert!(matches!(error, Error::InProgress { .. }));
            assert!(error.retry_after().unwrap() <= LEASE);
        }
        assert_eq!(h.record().await, before);
        drop(running);
        assert!(h.op().forget().await.unwrap());
    }

    async fn whoever_is_settled_over_is_a_former_owner(h) {
        let op = h.op();
        let mine = h.start_failing(&op, 4 * SECOND).await;
        h.clock.step(LEASE);
        assert!(h.op().resolve(&"theirs".to_owned()).await.unwrap());
        mine.await.unwrap().unwrap_err();
        assert_eq!(value(h.ok(&h.op(), "b").await), ("theirs".into(), Kind::Replayed));
    }

    async fn a_silent_store_is_not_waited_for_for_ever(h) {
        let idem = idem::Idem::new(Silent);
        let before = tokio::time::Instant::now();
        assert!(matches!(idem.operation(NAME).key("k").inspect().await, Err(Error::Store { .. })));
        assert_eq!(before.elapsed(), 5 * SECOND);
        assert_eq!(h.op().inspect().await.unwrap(), None, "an honest one answers");
    }

    async fn a_result_that_does_not_come_back_is_refused(h) {
        h.abandon(&h.op()).await;
        assert!(matches!(h.op().resolve(&Some(f64::NAN)).await, Err(Error::Config { .. })));
        assert_eq!(h.record().await.unwrap().phase, Phase::Abandoned);
    }
}

/// Never answers.
#[derive(Debug)]
struct Silent;

#[async_trait::async_trait]
impl idem::Store for Silent {
    async fn claim(&self, _: &idem::Key, _: &idem::Claim) -> Result<idem::Claimed, idem::StoreError> {
        std::future::pending().await
    }

    async fn renew(&self, _: &idem::Key, _: idem::Owner) -> Result<idem::Held, idem::StoreError> {
        std::future::pending().await
    }

    async fn finish(&self, _: &idem::Key, _: idem::Owner, _: idem::Ending) -> Result<idem::Held, idem::StoreError> {
        std::future::pending().await
    }

    async fn load(&self, _: &idem::Key) -> Result<Option<idem::Record>, idem::StoreError> {
        std::future::pending().await
    }
}
