//! `detached`: body and record run to their end whatever becomes of the caller.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use idem::{idempotent, Error, Idem};

use crate::support::{rows, value, Answer, Harness, SECOND};

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct ChargeError(#[from] Error);

/// Counts its drops.
struct HeldPermit(u64, Arc<AtomicUsize>);

impl Drop for HeldPermit {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

rows! {
    async fn detached_runs_on_and_keeps_its_scope(h) {
        #[idempotent(key = id)]
        async fn inner(id: u64) -> Result<u64, ChargeError> {
            Ok(id)
        }
        #[idempotent(key = id, detached)]
        async fn outer(id: u64, done: Arc<AtomicUsize>) -> Result<u64, ChargeError> {
            tokio::time::sleep(SECOND).await;
            let value = inner(id).await?;
            done.fetch_add(1, Ordering::SeqCst);
            Ok(value)
        }
        let done = Arc::new(AtomicUsize::new(0));
        let dropped = h.idem.scope(outer(7, Arc::clone(&done)));
        assert!(tokio::time::timeout(SECOND / 2, dropped).await.is_err(), "its caller gave up");
        assert_eq!(h.idem.scope(outer(7, Arc::clone(&done))).await.unwrap(), 7);
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }

    async fn detached_arguments_outlive_what_the_last_expression_borrows(h) {
        #[idempotent(key = id, idem = idem, detached)]
        async fn charge(idem: Idem, id: u64, spent: std::sync::Mutex<u64>) -> Result<u64, ChargeError> {
            Ok(*spent.lock().unwrap())
        }
        #[idempotent(key = id, idem = idem, detached)]
        fn made(idem: Idem, id: u64, spent: std::sync::Mutex<u64>) -> impl Future<Output = Result<u64, ChargeError>> + Send {
            std::future::ready(Ok(*spent.lock().unwrap()))
        }
        assert_eq!(charge(h.idem.clone(), 7, 5.into()).await.unwrap(), 5);
        assert_eq!(made(h.idem.clone(), 7, 5.into()).await.unwrap(), 5);
    }

    async fn detached_keeps_every_argument_as_long_as_the_body_runs(h) {
        #[idempotent(key = id, idem = idem, detached)]
        async fn charge(
            idem: Idem,
            mut id: u64,
            _permit: HeldPermit,
            (_, held): (HeldPermit, HeldPermit),
            #[cfg(any())] never: u64,
            #[allow(unused_variables)] unused: u64,
        ) -> Result<u64, ChargeError> {
            tokio::time::sleep(SECOND).await;
            id += held.0;
            Ok(id)
        }
        let dropped = Arc::new(AtomicUsize::new(0));
        let held = || HeldPermit(1, Arc::clone(&dropped));
        let call = charge(h.idem.clone(), 7, held(), (held(), held()), 0);
        assert!(tokio::time::timeout(SECOND / 2, call).await.is_err(), "its caller gave up");
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
        tokio::time::sleep(SECOND).await;
        assert_eq!(dropped.load(Ordering::SeqCst), 3);
        assert_eq!(charge(h.idem.clone(), 7, held(), (held(), held()), 0).await.unwrap(), 8);
    }

    async fn without_a_key_it_runs_to_its_end_all_the_same(h) {
        #[idempotent(key = key, idem = idem, detached)]
        async fn charge(idem: Idem, key: Option<u64>, done: Arc<AtomicUsize>) -> Result<u64, ChargeError> {
            tokio::time::sleep(SECOND).await;
            done.fetch_add(1, Ordering::SeqCst);
            Ok(key.unwrap_or_default())
        }
        let done = Arc::new(AtomicUsize::new(0));
        let call = charge(h.idem.clone(), None, Arc::clone(&done));
        assert!(tokio::time::timeout(SECOND / 2, call).await.is_err(), "its caller gave up");
        tokio::time::sleep(SECOND).await;
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn reentrant_even_through_a_detached_call_without_a_key() {
    let h = Harness::asking();
    let (same, without_key) = (h.op(), h.idem.operation("without_key").key(None::<u8>).detached());
    let answer: Answer<String> = h
        .op()
        .run(async move {
            let inside: Answer<String> = without_key
                .run(async move {
                    let again: Answer<String> = same.run(std::future::ready(Ok("no".into()))).await;
                    Ok(format!("{again:?}"))
                })
                .await;
            Ok(inside.unwrap().into_inner())
        })
        .await;
    let answer = value(answer).0;
    assert!(answer.contains("Reentrant"), "{answer}");
}
