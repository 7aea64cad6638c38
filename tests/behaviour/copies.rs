//! What copies of messages do that a network delivers when their calls have long gone on.

use std::time::Duration;

use idem::*;

use crate::support::{key, settle, value, Declined, Fault, Harness, Kind as Under, Verb, LEASE, SECOND, TTL};

/// A copy of the claim of `owner` arrives, and is granted.
async fn claim_again(h: &Harness, owner: Owner) {
    let granted = h.store.inner().claim(&key(), &Claim::new(owner, LEASE, TTL)).await.unwrap();
    assert!(matches!(granted, Claimed::Granted(_)), "{granted:?}");
}

/// A run loses its lease to another one, which fails; then a copy of its claim is granted, and it succeeds.
async fn succeeds_beside_a_copy_of_its_claim(wait: Duration) {
    let h = Harness::new(Under::Asking);
    let call = h.start(&h.op().wait(wait), "charged", SECOND).await;
    let owner = h.record().await.unwrap().owner;
    h.clock.step(LEASE);
    let other = h.elsewhere();
    assert!(matches!(other.err(&other.op()).await, Err(CallError::Body(Declined))));
    claim_again(&h, owner).await;
    assert_eq!(value(call.await.unwrap()).0, "charged");
    settle().await;
    assert_eq!(value(h.ok(&h.op(), "charged twice").await), ("charged".to_owned(), Kind::Replayed));
    assert_eq!(h.ran(), 2, "the run, and the one that failed");
}

#[tokio::test(start_paused = true)]
async fn a_success_lands_on_a_copy_of_its_own_claim() {
    succeeds_beside_a_copy_of_its_claim(25 * SECOND).await;
    succeeds_beside_a_copy_of_its_claim(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_success_in_the_background_lands_on_a_copy_of_its_own_claim() {
    let h = Harness::new(Under::Asking);
    let call = h.start(&h.op().wait(Duration::ZERO), "charged", SECOND).await;
    let owner = h.record().await.unwrap().owner;
    for verb in [Verb::Finish, Verb::Renew] {
        h.store.fault(verb, Fault::Silent);
    }
    assert_eq!(value(call.await.unwrap()).0, "charged");
    h.clock.step(LEASE);
    // Somebody takes over, and has no effect.
    let between = Claim::new(Owner::random(), LEASE, TTL);
    assert!(matches!(h.store.inner().claim(&key(), &between).await, Ok(Claimed::Granted(_))));
    let failed = Finish::new(between.owner, Ending::Failed);
    assert_eq!(h.store.inner().finish(&key(), &failed).await.unwrap(), Ownership::Held);
    claim_again(&h, owner).await;
    for verb in [Verb::Finish, Verb::Renew] {
        h.store.fault(verb, Fault::None);
    }
    tokio::time::sleep(3 * LEASE).await;
    let third = h.elsewhere();
    assert_eq!(value(third.ok(&third.op(), "charged twice").await).0, "charged");
}
