//! What helpers with fresh eyes broke, each of it once, in the way they broke it.

use std::future::{pending, poll_fn, ready, Future};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use idem::*;
use idem_testing::Faulty;

use crate::support::{
    refusal, settle, started, value, Answer, Declined, Fault, Harness, Kind as K, Verb, LEASE, SECOND,
};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
async fn poll_once<F: Future + Unpin>(mut f: F) -> F {
    poll_fn(|cx| {
        assert!(Pin::new(&mut f).poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    f
}
/// An `Idem` whose executor is busy: what it spawns lies in the queue.
fn busy(h: &Harness) -> (Harness, Arc<Mutex<Vec<Task>>>) {
    let queue: Arc<Mutex<Vec<Task>>> = Arc::default();
    let q = queue.clone();
    (h.under(Idem::builder(h.store.clone()).spawner(move |t| q.lock().unwrap().push(t)).build().unwrap()), queue)
}
fn open(h: &Harness) -> Harness {
    h.under(Idem::builder(h.store.clone()).fail_open().build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_detached_run_that_begins_late_does_not_run_unasked() {
    let h = Harness::new(K::Asking);
    let (late, queue) = busy(&h);
    let asked = Arc::new(AtomicUsize::new(0));
    let a = asked.clone();
    let op = late.op().at_most_once().reconcile(move || {
        a.fetch_add(1, SeqCst);
        ready(Ok::<_, Declined>(Some("charged by them".to_owned())))
    });
    let h2 = h.clone();
    let call = poll_once(Box::pin(op.detached().run(async move {
        h2.count_run();
        Ok("charged again".to_owned())
    })))
    .await;
    tokio::time::sleep(LEASE + SECOND).await; // granted, spawned, and the executor is busy for a lease
    let other = h.elsewhere();
    let op = other.op().at_most_once().reconcile(|| ready(Ok::<_, Declined>(None::<String>)));
    drop(
        poll_once(Box::pin(op.run(async {
            h.count_run();
            pending().await
        })))
        .await,
    ); // took over, ran, was dropped in its body
    assert_eq!((h.ran(), h.record().await.unwrap().state), (1, State::Unknown));
    tokio::spawn(queue.lock().unwrap().pop().unwrap());
    // It cannot ask any more, and does not run; whoever comes next asks.
    assert!(matches!(refusal(call.await), Error::InProgress { .. }));
    assert_eq!((asked.load(SeqCst), h.ran()), (0, 1));
    assert_eq!(h.record().await.unwrap().state, State::Unknown);
    let op = h.op().at_most_once().reconcile(|| ready(Ok::<_, Declined>(Some("charged".to_owned()))));
    assert_eq!(value(op.run(ready(Ok("no".to_owned()))).await), ("charged".into(), Kind::Reconciled));
}

#[tokio::test(start_paused = true)]
async fn retry_does_not_undo_a_success_that_nobody_looked_at() {
    let h = Harness::new(K::Asking);
    h.abandon(&h.op()).await;
    let hold = h.store.hold(Verb::Load);
    let elsewhere = h.elsewhere();
    let operator = started(async move { elsewhere.op().retry().await }).await; // has looked: unknown
    assert_eq!(value(h.ok(&h.op(), "charged").await), ("charged".into(), Kind::Executed)); // taken over and done
    h.store.fault(Verb::Load, Fault::None);
    hold.add_permits(10);
    let said = operator.await.unwrap();
    assert_eq!(value(h.ok(&h.op(), "charged twice").await), ("charged".into(), Kind::Replayed), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn retry_does_not_undo_a_late_success_under_the_same_fence() {
    let h = Harness::new(K::Asking);
    let owner = h.start(&h.op(), "charged", SECOND).await;
    h.clock.step(LEASE); // counts as unknown
    let hold = h.store.hold(Verb::Load);
    let elsewhere = h.elsewhere();
    let operator = started(async move { elsewhere.op().retry().await }).await; // has looked: lease over
    assert_eq!(value(owner.await.unwrap()), ("charged".into(), Kind::Executed)); // its late `completed` lands
    h.store.fault(Verb::Load, Fault::None);
    hold.add_permits(10);
    let said = operator.await.unwrap();
    assert_eq!(value(h.ok(&h.op(), "charged twice").await), ("charged".into(), Kind::Replayed), "{said:?}");
}

#[derive(Debug)]
struct Buggy(MokaStore, AtomicUsize, AtomicUsize); // panics in finish, in renew, so many times
fn bug(n: &AtomicUsize) {
    if n.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok() {
        panic!("the store's bug")
    }
}
#[async_trait::async_trait]
impl Store for Buggy {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        self.0.claim(key, claim).await
    }
    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        bug(&self.2);
        self.0.renew(key, owner).await
    }
    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        tokio::task::yield_now().await;
        bug(&self.1);
        self.0.finish(key, finish).await
    }
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.0.load(key).await
    }
}
async fn survives_panics(finish: usize, renew: usize) {
    let idem = Idem::new(Buggy(MokaStore::new(), finish.into(), renew.into()));
    let ran = Arc::new(AtomicUsize::new(0));
    let call = || {
        let (op, ran) = (idem.operation("op").key(1), ran.clone());
        tokio::spawn(async move {
            let answer: Answer<u32> = op
                .run(async {
                    ran.fetch_add(1, SeqCst);
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
    assert_eq!(ran.load(SeqCst), 1, "first caller: {first:?}");
    assert!(matches!(first, Ok(Ok(7))), "{first:?}");
}
#[tokio::test(start_paused = true)]
async fn a_store_that_panics_in_finish_once() {
    survives_panics(1, 0).await
}
#[tokio::test(start_paused = true)]
async fn a_store_that_panics_in_finish_twice() {
    survives_panics(2, 0).await
}
#[tokio::test(start_paused = true)]
async fn a_store_that_panics_in_renew() {
    survives_panics(0, 1).await
}

async fn at(idem: &Idem, text: &str) -> (String, Kind) {
    value(idem.operation("op").key(1).run(async { Ok(text.to_owned()) }).await)
}
fn tier() -> (Faulty, Idem) {
    let store = Faulty::new(MokaStore::new()).without_peek();
    (store.clone(), Idem::new(Tiered::new(store)))
}
#[tokio::test(start_paused = true)]
async fn a_tier_does_not_remember_what_was_settled_while_its_claim_was_out() {
    let (store, idem) = tier();
    at(&idem, "first").await;
    let hold = store.hold(Verb::Claim);
    let replay = {
        let i = idem.clone();
        started(async move { at(&i, "no").await }).await
    };
    assert!(idem.operation("op").key(1).resolve(&"settled".to_owned()).await.unwrap());
    store.fault(Verb::Claim, Fault::None);
    hold.add_permits(10);
    replay.await.unwrap();
    assert_eq!(at(&idem, "no").await.0, "settled");
}
#[tokio::test(start_paused = true)]
async fn a_tier_forgets_what_may_have_been_settled() {
    let (store, idem) = tier();
    at(&idem, "first").await;
    at(&idem, "first").await; // remembered
    let _hold = store.hold(Verb::Settle); // applied, not answered
    idem.operation("op").key(1).resolve(&"settled".to_owned()).await.unwrap_err();
    assert_eq!(at(&Idem::new(store.clone()), "no").await.0, "settled"); // it is so
    assert_eq!(at(&idem, "no").await.0, "settled");
}

struct Most(AtomicUsize, AtomicUsize);
impl Most {
    async fn body(self: Arc<Self>, pause: Duration) -> Result<String, Declined> {
        self.1.fetch_max(self.0.fetch_add(1, SeqCst) + 1, SeqCst);
        tokio::time::sleep(pause).await;
        self.0.fetch_sub(1, SeqCst);
        Ok(String::new())
    }
}
#[tokio::test(start_paused = true)]
async fn a_sleeper_whose_claim_was_granted_does_not_run_beside_an_unguarded_body() {
    let h = open(&Harness::new(K::Asking));
    let most = Arc::new(Most(0.into(), 0.into()));
    let hold = h.store.hold(Verb::Claim);
    let op = h.op();
    let asleep = poll_once(Box::pin(op.run(most.clone().body(SECOND)))).await;
    hold.add_permits(1); // answered: granted
    tokio::time::sleep(SECOND * 6).await; // and not polled, for longer than a claim takes to fail
    h.store.fault(Verb::Claim, Fault::Refused);
    let awake = {
        let (op, m) = (h.op(), most.clone());
        started(async move { op.run(m.body(SECOND * 20)).await }).await
    };
    let _ = (asleep.await, awake.await);
    assert_eq!(most.1.load(SeqCst), 1);
}
#[tokio::test(start_paused = true)]
async fn an_owner_that_a_sleeping_leader_heard_of_is_known() {
    let h = open(&Harness::new(K::Asking));
    let theirs = h.elsewhere();
    let _theirs = theirs.hang(&theirs.op()).await;
    let op = h.op();
    let _asleep = poll_once(Box::pin(h.ok(&op, "no"))).await; // hears of the owner, whose lease is good for 15 s
    tokio::time::sleep(SECOND * 7).await;
    h.store.fault(Verb::Claim, Fault::Refused);
    let answer = h.ok(&h.op(), "beside the owner").await;
    assert!(matches!(answer, Err(CallError::Idem(Error::InProgress { .. }))), "{answer:?}");
}
#[tokio::test(start_paused = true)]
async fn a_follower_fails_open_though_its_leader_may_not() {
    let h = open(&Harness::new(K::Asking));
    h.store.fault(Verb::Claim, Fault::Silent);
    let _leader = h.start(&h.op().at_most_once(), "no", SECOND).await;
    let follower = h.start(&h.op(), "follower", SECOND).await;
    assert_eq!(value(follower.await.unwrap()), ("follower".into(), Kind::Unguarded));
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
enum Fail {
    Ours(String),
    Own,
}
impl From<Error> for Fail {
    fn from(e: Error) -> Self {
        Fail::Ours(e.to_string())
    }
}
impl From<CallError<Fail>> for Fail {
    fn from(e: CallError<Fail>) -> Self {
        match e {
            CallError::Body(e) => e,
            CallError::Idem(e) => e.into(),
        }
    }
}
async fn recorded(how: u8) -> State {
    let h = Harness::new(K::Asking);
    let inner = h.idem.operation("inner").key(2);
    h.store.fault(Verb::Load, Fault::Refused);
    let _ = h
        .op()
        .record_err(|_: &Fail| true)
        .run(async {
            match how {
                0 => drop(inner.inspect().await?),
                1 => drop(inner.retry().await?),
                _ => return Err(Fail::Own),
            }
            Ok::<u32, Fail>(7)
        })
        .await;
    h.record().await.unwrap().state
}
#[tokio::test(start_paused = true)]
async fn an_operators_error_in_a_body_is_not_recorded() {
    assert_eq!(recorded(0).await, State::Failed);
    assert_eq!(recorded(1).await, State::Failed);
    assert!(matches!(recorded(2).await, State::Completed(_)), "the body's own is");
}
#[tokio::test(start_paused = true)]
async fn no_body_begins_after_drain() {
    let h = Harness::new(K::Asking);
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
async fn drain_waits_for_a_detached_body_without_a_key() {
    for idem in [Idem::new(MokaStore::new()), Idem::disabled()] {
        let done = Arc::new(AtomicUsize::new(0));
        let (op, d) = (idem.operation("op").key(None::<u32>).detached(), done.clone());
        started(async move {
            op.run(async move {
                tokio::time::sleep(SECOND).await;
                d.fetch_add(1, SeqCst);
                Ok::<u32, Declined>(1)
            })
            .await
        })
        .await
        .abort();
        assert_eq!((idem.drain(LEASE).await, done.load(SeqCst)), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn lost_completes_when_the_call_was_dropped() {
    let h = Harness::new(K::Asking);
    let helper = Arc::new(Mutex::new(None));
    let (op, put) = (h.op(), helper.clone());
    let body = async move {
        *put.lock().unwrap() = Some(tokio::spawn(current().unwrap().lost()));
        pending::<Result<String, Declined>>().await
    };
    drop(poll_once(Box::pin(op.run(body))).await);
    let other = h.elsewhere();
    let _theirs = other.hang(&other.op()).await; // somebody else has the key
    let helper = helper.lock().unwrap().take().unwrap();
    tokio::time::timeout(LEASE * 100, helper).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_first_call_that_never_began_takes_its_at_most_once_with_it() {
    let h = Harness::new(K::Asking);
    h.drop_in_claim(&h.op().at_most_once()).await;
    h.store.fault(Verb::Claim, Fault::None);
    assert!(h.record().await.unwrap().is_blank());
    h.abandon(&h.op()).await;
    assert_eq!(value(h.ok(&h.op(), "second").await), ("second".into(), Kind::Executed));
}
#[tokio::test(start_paused = true)]
async fn a_body_that_never_began_leaves_nothing_unknown() {
    let h = Harness::new(K::Asking);
    let (late, queue) = busy(&h);
    let call =
        poll_once(Box::pin(late.op().at_most_once().detached().run(ready(Ok::<_, Declined>("no".to_owned()))))).await;
    tokio::time::sleep(LEASE + SECOND).await;
    h.store.fault(Verb::Claim, Fault::NotApplied(2));
    tokio::spawn(queue.lock().unwrap().pop().unwrap());
    assert!(matches!(refusal(call.await), Error::Store { .. }));
    for task in queue.lock().unwrap().drain(..) {
        tokio::spawn(task);
    }
    h.store.fault(Verb::Claim, Fault::None);
    tokio::time::sleep(LEASE * 2).await;
    assert_eq!(value(h.ok(&h.op().at_most_once(), "honest").await), ("honest".into(), Kind::Executed));
}

#[tokio::test(start_paused = true)]
async fn reentrant_is_seen_through_a_detached_call_without_a_key() {
    let h = Harness::new(K::Asking);
    let (own, free) = (h.op(), h.idem.operation("free").key(None::<u8>).detached());
    let answer: Answer<String> = h
        .op()
        .run(async move {
            let inside: Answer<String> = free
                .run(async move {
                    let again: Answer<String> = own.run(ready(Ok("no".into()))).await;
                    Ok(format!("{again:?}"))
                })
                .await;
            Ok(inside.unwrap().into_inner())
        })
        .await;
    let said = value(answer).0;
    assert!(said.contains("Reentrant"), "{said}");
}

struct Bomb<T>(Option<T>, bool);
impl<T: Unpin> Future for Bomb<T> {
    type Output = T;
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        self.1 = true;
        Poll::Ready(self.0.take().unwrap())
    }
}
impl<T> Drop for Bomb<T> {
    fn drop(&mut self) {
        if self.1 {
            panic!("in its drop")
        }
    }
}
#[tokio::test(start_paused = true)]
async fn a_question_that_panics_in_its_drop_undoes_nothing() {
    let h = Harness::new(K::Asking);
    h.abandon(&h.op()).await;
    let op = h.op().reconcile(|| Bomb(Some(Ok::<_, Declined>(Some("charged".to_owned()))), false));
    tokio::spawn(async move { op.run(ready(Ok("no".to_owned()))).await.map(drop) }).await.unwrap_err();
    settle().await;
    assert_eq!(value(h.ok(&h.op(), "charged twice").await), ("charged".into(), Kind::Replayed));
}
#[tokio::test(start_paused = true)]
async fn a_detached_body_that_panics_in_its_drop_has_its_answer() {
    let h = Harness::new(K::Asking);
    let op = h.op().detached();
    let told = tokio::spawn(async move { op.run(Bomb(Some(Ok::<_, Declined>("v".to_owned())), false)).await }).await;
    assert!(!matches!(told, Ok(Err(CallError::Idem(Error::ShuttingDown { .. })))), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn list_shows_a_record_that_moves_all_the_while() {
    let idem = Idem::new(MokaStore::new());
    for n in 0..2000u32 {
        idem.operation("op").key(n).run(async { Ok::<u32, Declined>(n) }).await.unwrap();
    }
    let op = idem.operation("op").key(1000u32);
    let toggler = tokio::spawn(async move {
        loop {
            op.retry().await.unwrap();
            op.resolve(&1u32).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let (key, mut missed) = (Key::new("", "op", &1000u32).unwrap(), 0);
    for _ in 0..30 {
        let (mut after, mut seen) = (None, false);
        loop {
            let page = idem.operation("op").list(after).await.unwrap();
            seen |= page.records.iter().any(|listed| listed.key == key);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        missed += usize::from(!seen);
    }
    toggler.abort();
    assert_eq!(missed, 0);
}

#[tokio::test(start_paused = true)]
async fn operators_verbs_are_sent_again() {
    let h = Harness::new(K::Asking);
    h.abandon(&h.op()).await;
    for (verb, trouble) in
        [(Verb::Load, Fault::NotApplied(1)), (Verb::Settle, Fault::NotApplied(1)), (Verb::Settle, Fault::Lost(1))]
    {
        h.store.fault(verb, trouble.clone());
        let said = h.op().retry().await;
        assert!(said.is_ok(), "{verb:?} {trouble:?}: {said:?}");
    }
}

/// What a store does once, before it is honest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Once {
    /// Never answers the first ending, and panics at the second without having waited.
    PanicsAtAnEnding,
    /// Its first claim arrives seven seconds late.
    ClaimsLate,
    /// Settles and loses the answer; and from then on it says that it settles nothing.
    ForgetsThatItSettled,
}

#[derive(Debug)]
struct Odd {
    store: MokaStore,
    once: Once,
    /// How often the verb was sent that it is odd at.
    sent: AtomicUsize,
}

impl Odd {
    fn new(once: Once) -> Self {
        Self { store: MokaStore::new(), once, sent: 0.into() }
    }

    /// How often the verb was sent before, if the store is odd at it.
    fn at(&self, once: Once) -> Option<usize> {
        (self.once == once).then(|| self.sent.fetch_add(1, SeqCst))
    }
}

#[async_trait::async_trait]
impl Store for Odd {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        if self.at(Once::ClaimsLate) == Some(0) {
            let (store, key, claim) = (self.store.clone(), key.clone(), *claim);
            tokio::spawn(async move {
                tokio::time::sleep(SECOND * 7).await;
                store.claim(&key, &claim).await
            });
            pending().await
        }
        self.store.claim(key, claim).await
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        self.store.renew(key, owner).await
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        match self.at(Once::PanicsAtAnEnding) {
            Some(0) => pending().await,
            Some(1) => panic!("the store's own"),
            _ => self.store.finish(key, finish).await,
        }
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.store.load(key).await
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        match self.at(Once::ForgetsThatItSettled) {
            Some(0) => self.store.settle(key, settle).await.and(Err(StoreError::unknown("reset"))),
            Some(_) => Err(StoreError::not_applied("refused")),
            None => self.store.settle(key, settle).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_as_the_ending_goes_to_the_background() {
    for caller_leaves in [true, false] {
        let idem = Idem::new(Odd::new(Once::PanicsAtAnEnding));
        let (op, ran) = (idem.operation("op").key(1), AtomicUsize::new(0));
        let call = || {
            op.run(async {
                ran.fetch_add(1, SeqCst);
                Ok::<u32, Declined>(7)
            })
        };
        if caller_leaves {
            drop(poll_once(Box::pin(call())).await);
        } else {
            call().await.unwrap();
        }
        tokio::time::sleep(SECOND * 60).await;
        assert_eq!((call().await.unwrap().kind(), ran.load(SeqCst)), (Kind::Replayed, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn the_process_that_knows_of_a_success_does_not_run_again() {
    let h = Harness::new(K::Asking);
    let all = [Verb::Claim, Verb::Renew, Verb::Finish, Verb::Load];
    let call = h.start(&h.op(), "charged", SECOND).await;
    all.iter().for_each(|verb| h.store.fault(*verb, Fault::NotApplied(usize::MAX)));
    assert_eq!(value(call.await.unwrap()).0, "charged");
    // Renewed for a while, and then not even that.
    h.store.fault(Verb::Renew, Fault::None);
    tokio::time::sleep(SECOND * 30).await;
    h.store.fault(Verb::Renew, Fault::NotApplied(usize::MAX));
    tokio::time::sleep(SECOND * 30).await;
    h.clock.step(SECOND * 60);
    all.iter().for_each(|verb| h.store.fault(*verb, Fault::None));
    assert_eq!(value(h.ok(&h.op(), "charged twice").await), ("charged".into(), Kind::Attached));
    assert_eq!(h.ran(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_saw_an_owner_does_not_fail_open_beside_it() {
    let h = open(&Harness::new(K::Asking));
    let there = h.elsewhere();
    let _theirs = there.hang(&there.op()).await;
    let leader = h.start(&h.op().at_most_once(), "no", SECOND).await;
    let follower = h.start(&h.op(), "beside the owner", SECOND).await;
    tokio::time::sleep(SECOND).await;
    h.store.fault(Verb::Claim, Fault::Refused);
    assert!(matches!(refusal(leader.await.unwrap()), Error::Store { .. }));
    assert!(matches!(refusal(follower.await.unwrap()), Error::InProgress { .. }));
}

async fn put(idem: &Idem, key: u32, ttl: u64, bytes: usize) -> Result<Kind, CallError<()>> {
    let op = idem.operation("op").key(key).ttl(Duration::from_millis(ttl));
    op.run(async { Ok("x".repeat(bytes)) }).await.map(|outcome| outcome.kind())
}

#[tokio::test]
async fn nothing_is_forgotten_for_what_cannot_fit() {
    let store = MokaStore::builder().max_bytes(20_000).when_full(WhenFull::ForgetOldest).build();
    let idem = Idem::new(store.clone());
    for key in 0..10 {
        put(&idem, key, 1_000_000, 10).await.unwrap();
    }
    put(&idem, 99, 1_000_000, 30_000).await.unwrap();
    assert_eq!(store.forgotten(), 0);
    assert_eq!(put(&idem, 0, 1_000_000, 10).await.unwrap(), Kind::Replayed);
}

#[tokio::test]
async fn a_result_is_not_refused_for_what_has_expired() {
    let clock = idem_testing::Clock::new();
    let idem = Idem::new(MokaStore::builder().clock(clock.clone()).max_bytes(6000).build());
    put(&idem, 1, 100, 1500).await.unwrap();
    put(&idem, 2, 1_000_000, 1500).await.unwrap();
    put(&idem, 3, 1_000_000, 5000).await.unwrap();
    clock.step(Duration::from_millis(500));
    put(&idem, 4, 1_000_000, 1500).await.unwrap();
    assert_eq!(put(&idem, 4, 1_000_000, 1500).await.unwrap(), Kind::Replayed);
}

#[tokio::test]
async fn forget_makes_room() {
    let idem = Idem::new(MokaStore::builder().max_records(1).build());
    put(&idem, 1, 1_000_000, 1).await.unwrap();
    assert!(matches!(put(&idem, 2, 1_000_000, 1).await, Err(CallError::Idem(Error::Store { .. }))));
    assert!(idem.operation("op").key(1_u32).forget().await.unwrap());
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(put(&idem, 2, 1_000_000, 1).await.unwrap(), Kind::Executed);
}

#[tokio::test(start_paused = true)]
async fn lost_completes_also_after_the_record_found_its_way_back() {
    let h = Harness::new(K::Asking);
    let known = Arc::new(Mutex::new(None));
    let (op, put) = (h.op(), known.clone());
    let call = started(async move {
        op.run(async move {
            *put.lock().unwrap() = current();
            tokio::time::sleep(SECOND).await;
            Ok::<_, Declined>("v".to_owned())
        })
        .await
    })
    .await;
    h.clock.step(LEASE * 2);
    assert!(h.elsewhere().op().forget().await.unwrap());
    h.store.fault(Verb::Finish, Fault::Silent);
    tokio::time::sleep(SECOND * 2).await;
    call.abort();
    let _ = call.await;
    h.store.fault(Verb::Finish, Fault::None);
    tokio::time::sleep(SECOND * 600).await;
    assert_eq!(value(h.ok(&h.op(), "no").await).0, "v");
    let known = known.lock().unwrap().take().unwrap();
    tokio::time::timeout(LEASE, known.lost()).await.expect("the call is over");
}

/// Panics at one verb: where it makes the future, or where that is polled.
#[derive(Debug)]
struct PanicsAt(MokaStore, &'static str);

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl PanicsAt {
    fn at(&self, verb: &str) {
        assert_ne!(self.1, verb, "the store's own");
    }
}

#[rustfmt::skip]
impl Store for PanicsAt {
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
async fn a_store_that_panics_where_it_makes_the_future() {
    for verb in ["peek", "claim", "renew", "finish", "changed"] {
        // Behind a pointer futures are made where they are polled; so one process it is, where one is enough.
        let idem = Idem::new(PanicsAt(MokaStore::new(), verb));
        let shared = Arc::new(PanicsAt(MokaStore::new(), verb));
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

#[tokio::test(start_paused = true)]
async fn a_claim_that_arrives_after_an_unguarded_body_failed_is_ended() {
    let idem = Idem::builder(Odd::new(Once::ClaimsLate)).fail_open().build().unwrap();
    let op = idem.operation("op").key(1);
    let failed: Answer<u32> = op.run(async { Err(Declined) }).await;
    assert!(matches!(failed, Err(CallError::Body(Declined))));
    tokio::time::sleep(SECOND * 12).await;
    // Withdrawn: nothing was known of the key before.
    assert_eq!(op.inspect().await.unwrap(), None);
    let again = op.run(async { Ok::<u32, Declined>(1) }).await.unwrap();
    assert_eq!(again.kind(), Kind::Executed);
}

#[tokio::test(start_paused = true)]
async fn an_error_says_unknown_if_any_of_its_sendings_was() {
    let idem = Idem::new(Odd::new(Once::ForgetsThatItSettled));
    let op = idem.operation("op").key(1);
    let _: Outcome<u32> = op.run(async { Ok::<_, Declined>(1) }).await.unwrap();
    match op.forget().await {
        Err(Error::Store { source, .. }) => assert_eq!(source.applied(), Applied::Unknown),
        other => panic!("{other:?}"),
    }
}
