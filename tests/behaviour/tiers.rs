//! What a memory tier promises beyond the store behind it. That it changes nothing else is shown by every other row.

use std::time::Duration;

use idem::{Idem, Kind, MokaStore, Tiered};
use idem_testing::{Clock, Faulty, Verb};

use crate::support::{started, value, Answer, Fault, SECOND};

struct Process {
    store: Faulty,
    idem: Idem,
}

/// Two processes, each with a tier of its own over one store.
fn processes(tier: impl Fn(Faulty) -> Tiered<Faulty>) -> (Process, Process) {
    let shared = Faulty::new(MokaStore::builder().clock(Clock::new()).build()).without_peek();
    let process = || {
        let store = Faulty::new(shared.clone());
        Process { idem: Idem::new(tier(store.clone())), store }
    };
    (process(), process())
}

impl Process {
    async fn call(&self, text: &str) -> Answer<String> {
        self.idem.operation("op").key(1).ttl(SECOND * 3600).run(async { Ok(text.to_owned()) }).await
    }

    /// A replay, and how many claims it took.
    async fn replay(&self) -> (String, usize) {
        let before = self.store.count(Verb::Claim);
        let (text, kind) = value(self.call("no").await);
        assert_eq!(kind, Kind::Replayed);
        (text, self.store.count(Verb::Claim) - before)
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_asks_the_store_once_a_minute() {
    let (one, other) = processes(Tiered::new);
    one.call("first").await.unwrap();
    for process in [one, other] {
        assert_eq!(process.replay().await, ("first".into(), 1));
        assert_eq!(process.replay().await, ("first".into(), 0));
        tokio::time::advance(SECOND * 59).await;
        assert_eq!(process.replay().await, ("first".into(), 0));
        tokio::time::advance(SECOND).await;
        assert_eq!(process.replay().await, ("first".into(), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_age_of_its_own_and_never_over_a_minute() {
    for (set, counts) in [(SECOND, SECOND), (SECOND * 3600, SECOND * 60)] {
        let (one, _) = processes(|store| Tiered::new(store).max_age(set).capacity(1024 * 1024));
        one.call("first").await.unwrap();
        assert_eq!(one.replay().await.1, 1);
        tokio::time::advance(counts - Duration::from_millis(1)).await;
        assert_eq!(one.replay().await.1, 0);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(one.replay().await.1, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn never_past_the_ttl() {
    let (one, _) = processes(Tiered::new);
    let call = |text: &'static str| {
        let op = one.idem.operation("op").key(1).ttl(SECOND * 10);
        async move { op.run(async { Ok(text.to_owned()) }).await }
    };
    call("first").await.unwrap();
    tokio::time::advance(SECOND * 7).await;
    assert_eq!(value(call("no").await), ("first".into(), Kind::Replayed));
    tokio::time::advance(SECOND * 2).await;
    assert_eq!(value(call("no").await), ("first".into(), Kind::Replayed));
    tokio::time::advance(SECOND).await;
    assert_eq!(value(call("second").await), ("second".into(), Kind::Executed));
}

#[tokio::test(start_paused = true)]
async fn what_is_settled_is_seen_here_at_once_and_elsewhere_within_the_age() {
    let (one, other) = processes(Tiered::new);
    one.call("first").await.unwrap();
    assert_eq!((one.replay().await.0, other.replay().await.0), ("first".into(), "first".into()));
    assert!(one.idem.operation("op").key(1).resolve(&"settled".to_owned()).await.unwrap());
    assert_eq!((one.replay().await.0, other.replay().await.0), ("settled".into(), "first".into()));
    tokio::time::advance(SECOND * 60).await;
    assert_eq!((one.replay().await.0, other.replay().await.0), ("settled".into(), "settled".into()));
}

#[tokio::test(start_paused = true)]
async fn only_done_operations_are_remembered() {
    let (one, other) = processes(Tiered::new);
    let failing: Answer<String> = one.idem.operation("op").key(1).run(async { Err(crate::support::Declined) }).await;
    failing.unwrap_err();
    assert_eq!(value(other.call("second").await), ("second".into(), Kind::Executed));
    assert_eq!(one.replay().await, ("second".into(), 1));
}

async fn call(idem: &Idem, text: &str) -> (String, Kind) {
    value(idem.operation("op").key(1).run(async { Ok(text.to_owned()) }).await)
}

/// A store that has to be asked, and a tier in front of it.
fn tier() -> (Faulty, Idem) {
    let store = Faulty::new(MokaStore::new()).without_peek();
    (store.clone(), Idem::new(Tiered::new(store)))
}

#[tokio::test(start_paused = true)]
async fn a_replay_whose_claim_was_out_during_a_resolve_is_not_remembered() {
    let (store, idem) = tier();
    call(&idem, "first").await;
    let hold = store.hold(Verb::Claim);
    let replay = {
        let i = idem.clone();
        started(async move { call(&i, "no").await }).await
    };
    assert!(idem.operation("op").key(1).resolve(&"resolved".to_owned()).await.unwrap());
    store.fault(Verb::Claim, Fault::None);
    hold.add_permits(10);
    replay.await.unwrap();
    assert_eq!(call(&idem, "no").await.0, "resolved");
}

#[tokio::test(start_paused = true)]
async fn a_resolve_that_may_have_been_applied_ends_what_is_remembered() {
    let (store, idem) = tier();
    call(&idem, "first").await;
    call(&idem, "first").await; // from memory
    let _hold = store.hold(Verb::Settle); // applied, not answered
    idem.operation("op").key(1).resolve(&"resolved".to_owned()).await.unwrap_err();
    assert_eq!(call(&Idem::new(store.clone()), "no").await.0, "resolved"); // it was applied
    assert_eq!(call(&idem, "no").await.0, "resolved");
}
