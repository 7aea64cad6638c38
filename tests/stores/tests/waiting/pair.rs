//! Two that share a store and nothing else, as two processes do.

use std::sync::Arc;

use idem::{Idem, Key, Kind};
use idem_store_tests::{Noted, Site};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub(crate) struct Pair {
    pub(crate) owner: Noted,
    pub(crate) waiter: Noted,
    pub(crate) owning: Idem,
    pub(crate) waiting: Idem,
}

impl Pair {
    pub(crate) async fn new(site: &Site, hints: bool) -> Self {
        let (owner, waiter) = (Noted::new(site.address().open().await), Noted::new(site.address().open().await));
        let waiter = if hints { waiter } else { waiter.mute() };
        let (owning, waiting) = (Idem::new(owner.clone()), Idem::new(waiter.clone()));
        Self { owner, waiter, owning, waiting }
    }

    /// A call that has the key when this returns, and ends with the first permit.
    pub(crate) async fn own(&self, n: u64) -> (Arc<Semaphore>, JoinHandle<()>) {
        let (idem, begun, end) = (self.owning.clone(), Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (begins, ends) = (begun.clone(), end.clone());
        let call = tokio::spawn(async move {
            let body = async {
                begins.add_permits(1);
                ends.acquire().await.unwrap().forget();
                Ok::<_, ()>(n)
            };
            let outcome = idem.operation("wait").key(n).run(body).await.unwrap();
            assert_eq!(outcome.kind(), Kind::Executed);
        });
        begun.acquire().await.unwrap().forget();
        (end, call)
    }
}

/// A call that waits for another one.
pub(crate) async fn attach(idem: Idem, n: u64) {
    let body = async { Err::<u64, _>("it ran") };
    let outcome = idem.operation("wait").key(n).run(body).await.unwrap();
    assert_eq!((outcome.kind(), outcome.into_inner()), (Kind::Attached, n));
}

pub(crate) fn key(n: u64) -> Key {
    Key::new("", "wait", &n).unwrap()
}

pub(crate) fn run(test: impl std::future::Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}
