//! Stores, bodies and questions that panic: a success stays a success, and its call is not run again.

use std::future::{pending, ready, Future};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll};

use idem::{
    CallError, Claim, Claimed, Completed, Error, Finish, Idem, Key, Kind, MokaStore, Outcome, Owner, Ownership, Record,
    Store, StoreError,
};

use crate::support::{polled_once, settle, value, Answer, Broken, Bug, Declined, Harness, LEASE, SECOND};

/// Panics in so many requests of a kind.
#[derive(Debug)]
struct Panics {
    store: MokaStore,
    in_finish: AtomicUsize,
    in_renew: AtomicUsize,
}

fn panic_if_left(left: &AtomicUsize) {
    if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        panic!("the store's bug")
    }
}

#[async_trait::async_trait]
impl Store for Panics {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        self.store.claim(key, claim).await
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        panic_if_left(&self.in_renew);
        self.store.renew(key, owner).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        tokio::task::yield_now().await;
        panic_if_left(&self.in_finish);
        self.store.finish(key, finish).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.store.load(key).await
    }
}

async fn does_not_run_again(in_finish: usize, in_renew: usize) {
    let idem = Idem::new(Panics { store: MokaStore::new(), in_finish: in_finish.into(), in_renew: in_renew.into() });
    let ran = Arc::new(AtomicUsize::new(0));
    let call = || {
        let (op, ran) = (idem.operation("op").key(1), ran.clone());
        tokio::spawn(async move {
            let answer: Answer<u32> = op
                .run(async {
                    ran.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(LEASE / 2).await;
                    Ok(7)
                })
                .await;
            answer.map(Outcome::into_inner)
        })
    };
    let first = call().await;
    tokio::time::sleep(LEASE * 2).await;
    let _ = call().await;
    assert_eq!(ran.load(Ordering::SeqCst), 1, "first caller: {first:?}");
    assert!(matches!(first, Ok(Ok(7))), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_in_finish_once() {
    does_not_run_again(1, 0).await
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_in_finish_twice() {
    does_not_run_again(2, 0).await
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_in_renew() {
    does_not_run_again(0, 1).await
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_when_the_outcome_is_sent_from_the_background() {
    for caller_leaves in [true, false] {
        let idem = Idem::new(Broken::new(Bug::PanicsInTheSecondFinish));
        let (op, ran) = (idem.operation("op").key(1), AtomicUsize::new(0));
        let call = || {
            op.run(async {
                ran.fetch_add(1, Ordering::SeqCst);
                Ok::<u32, Declined>(7)
            })
        };
        if caller_leaves {
            drop(polled_once(Box::pin(call())).await);
        } else {
            call().await.unwrap();
        }
        tokio::time::sleep(SECOND * 60).await;
        assert_eq!((call().await.unwrap().kind(), ran.load(Ordering::SeqCst)), (Kind::Replayed, 1));
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Panics in one method before it returns a future.
#[derive(Debug)]
struct PanicsBeforeTheFuture(MokaStore, &'static str);

impl PanicsBeforeTheFuture {
    fn at(&self, verb: &str) {
        assert_ne!(self.1, verb, "the store's own");
    }
}

#[rustfmt::skip]
impl Store for PanicsBeforeTheFuture {
    fn claim<'a, 'b, 'c, 'x>(&'a self, key: &'b Key, claim: &'c Claim) -> Boxed<'x, Result<Claimed, StoreError>>
    where 'a: 'x, 'b: 'x, 'c: 'x {
        self.at("claim");
        self.0.claim(key, claim)
    }

    fn renew<'a, 'b, 'x>(&'a self, key: &'b Key, owner: Owner) -> Boxed<'x, Result<Ownership, StoreError>>
    where 'a: 'x, 'b: 'x {
        self.at("renew");
        self.0.renew(key, owner)
    }

    fn finish<'a, 'b, 'c, 'x>(&'a self, key: &'b Key, finish: &'c Finish) -> Boxed<'x, Result<Ownership, StoreError>>
    where 'a: 'x, 'b: 'x, 'c: 'x {
        self.at("finish");
        self.0.finish(key, finish)
    }

    fn load<'a, 'b, 'x>(&'a self, key: &'b Key) -> Boxed<'x, Result<Option<Record>, StoreError>>
    where 'a: 'x, 'b: 'x {
        self.0.load(key)
    }

    fn peek(&self, _: &Key) -> Option<Completed> {
        self.at("peek");
        None
    }

    fn changed<'a, 'b, 'x>(&'a self, _: &'b Key) -> Boxed<'x, ()>
    where 'a: 'x, 'b: 'x {
        self.at("changed");
        Box::pin(pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_before_it_returns_a_future() {
    for verb in ["peek", "claim", "renew", "finish", "changed"] {
        // `Arc<S>` calls the store inside its own future, so the store is shared by two processes only where it must be.
        let idem = Idem::new(PanicsBeforeTheFuture(MokaStore::new(), verb));
        let shared = Arc::new(PanicsBeforeTheFuture(MokaStore::new(), verb));
        let two = [Idem::new(shared.clone()), Idem::new(shared)];
        let [one, other] = if verb == "changed" { two } else { [idem.clone(), idem] };
        let call = |idem: Idem| {
            tokio::spawn(async move {
                let body = async {
                    tokio::time::sleep(SECOND * 10).await;
                    Ok::<u32, Declined>(1)
                };
                idem.operation("op").key(1).run(body).await.map(|outcome| outcome.kind())
            })
        };
        let (first, second) = tokio::join!(call(one), call(other));
        match (verb, first.unwrap(), second.unwrap()) {
            ("claim", Err(CallError::Idem(Error::Store { .. })), Err(_)) => {}
            ("finish", Ok(Kind::Executed), _) => {}
            (_, Ok(Kind::Executed), Ok(Kind::Attached)) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Completes with a value when first polled, and panics when dropped after that.
struct PanicsInDrop<T> {
    value: Option<T>,
    was_polled: bool,
}

impl<T> PanicsInDrop<T> {
    fn new(value: T) -> Self {
        Self { value: Some(value), was_polled: false }
    }
}

impl<T: Unpin> Future for PanicsInDrop<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        self.was_polled = true;
        Poll::Ready(self.value.take().unwrap())
    }
}

impl<T> Drop for PanicsInDrop<T> {
    fn drop(&mut self) {
        assert!(!self.was_polled, "in its drop");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_that_panics_in_its_drop_does_not_undo_what_it_found() {
    let h = Harness::asking();
    h.abandon(&h.op()).await;
    let op = h.op().reconcile(|| PanicsInDrop::new(Ok::<_, Declined>(Some("charged".to_owned()))));
    tokio::spawn(async move { op.run(ready(Ok("no".to_owned()))).await.map(drop) }).await.unwrap_err();
    settle().await;
    assert_eq!(value(h.ok(&h.op(), "charged twice").await), ("charged".into(), Kind::Replayed));
}

#[tokio::test(start_paused = true)]
async fn a_detached_body_that_panics_in_its_drop_is_not_shutting_down() {
    let h = Harness::asking();
    let op = h.op().detached();
    let answer = tokio::spawn(async move { op.run(PanicsInDrop::new(Ok::<_, Declined>("v".to_owned()))).await }).await;
    assert!(!matches!(answer, Ok(Err(CallError::Idem(Error::ShuttingDown { .. })))), "{answer:?}");
}
