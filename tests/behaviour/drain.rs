//! `drain`: new calls are refused, and calls that run may end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use idem::{Error, Idem, Kind, MokaStore};

use crate::support::*;

rows! {
    async fn refuses_new_claims_and_waits_for_the_rest(h) {
        h.ok(&h.idem.operation(NAME).key("done"), "done").await.unwrap();
        let running = h.start(&h.op(), "a", 20 * SECOND).await;
        let detached = h.idem.operation(NAME).key("detached").detached();
        let detached = started(detached.run(async { tokio::time::sleep(30 * SECOND).await; Ok::<_, Declined>(1) })).await;
        detached.abort();
        let before = tokio::time::Instant::now();
        assert_eq!(h.idem.drain(10 * SECOND).await, 2, "in time nothing had ended");
        assert_eq!(before.elapsed(), 10 * SECOND);
        let other = h.idem.operation(NAME).key("other");
        let refused = refusal(h.ok(&other, "b").await);
        assert!(matches!(refused, Error::ShuttingDown { .. }) && refused.is_retryable());
        if h.peeks() {
            let done = h.idem.operation(NAME).key("done");
            assert_eq!(value(h.ok(&done, "b").await).0, "done", "what is at hand is replayed");
        }
        assert_eq!(h.idem.drain(TTL).await, 0);
        assert_eq!(before.elapsed(), 30 * SECOND);
        assert_eq!(value(running.await.unwrap()), ("a".into(), Kind::Executed));
        assert_eq!(h.idem.drain(Duration::ZERO).await, 0);
        assert_eq!(h.ran(), 2);
    }

    async fn says_how_many_have_not_ended_by_then(h) {
        let short = h.start(&h.op(), "a", 5 * SECOND).await;
        let long = h.start(&h.idem.operation(NAME).key("long"), "b", 20 * SECOND).await;
        assert_eq!(h.idem.drain(10 * SECOND).await, 1, "one of them had ended by then");
        let (short, long) = (short.await.unwrap(), long.await.unwrap());
        assert_eq!((value(short).0, value(long).0), ("a".into(), "b".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn no_waiting_call_begins_its_body_after_drain() {
    let h = Harness::asking();
    let there = h.elsewhere();
    let theirs = there.start(&there.op(), "theirs", LEASE * 100).await;
    let waiting = h.start(&h.op(), "mine", SECOND).await;
    let idem = h.idem.clone();
    let drained = started(async move { idem.drain(LEASE).await }).await;
    theirs.abort();
    let answer = waiting.await.unwrap();
    assert_eq!(h.ran(), 1, "{answer:?}, drain: {}", drained.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn waits_for_a_detached_body_without_a_key() {
    for idem in [Idem::new(MokaStore::new()), Idem::disabled()] {
        let done = Arc::new(AtomicUsize::new(0));
        let (op, d) = (idem.operation("op").key(None::<u32>).detached(), done.clone());
        started(async move {
            op.run(async move {
                tokio::time::sleep(SECOND).await;
                d.fetch_add(1, Ordering::SeqCst);
                Ok::<u32, Declined>(1)
            })
            .await
        })
        .await
        .abort();
        assert_eq!((idem.drain(LEASE).await, done.load(Ordering::SeqCst)), (0, 1));
    }
}
