//! Mistakes of the protocol that no change of one line makes: in a store, and in a call that talks to an honest store.
//!
//! [`stories`] plays every course that a few calls of one key can take: answers that are lost, bodies that fail, are dropped or
//! stand still past their lease, crashes, copies of old messages, a retention that ends. The laws are checked after each step.
//! Without a mistake no law is broken; with one, the law that its test names is.
#![allow(clippy::expect_used, clippy::panic, missing_docs)]

mod call;
mod stories;
mod world;

use stories::stories;

/// What is wrong. Exactly one side has it: the store, or the first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    Nothing,
    /// The store grants a key whose lease has not ended.
    LiveLeaseGranted,
    /// The store does not compare the owner of an ending.
    FormerOwnerEnds,
    /// The store does not compare the fence of an ending.
    CopyEndsAnotherRun,
    /// The store counts fences in the row and deletes them with it.
    FenceForgotten,
    /// The store acknowledges an ending that is not durable, and then crashes.
    AcknowledgedBeforeDurable,
    /// The store takes an attempt whose lease ended for one that failed.
    LapsedIsFree,
    /// The store takes a second success for the first one.
    SuccessOverwritten,
    /// The call sends its claim again under another token.
    TokenPerSending,
    /// The call reports a body that was dropped in its middle as a failure.
    FailedOnDrop,
    /// The call answers its caller, and then sends its ending.
    AnsweredBeforeRecorded,
    /// The call ends whatever its token was granted.
    EndsWithoutFence,
    /// The call renews after it was told that its lease is lost.
    RenewsAfterLoss,
}

#[test]
fn without_a_mistake_no_law_is_broken() {
    let (played, broken) = stories(Mistake::Nothing);
    assert!(broken.is_empty(), "{broken:?}");
    assert!(played > 1_000, "only {played} stories");
    println!("{played} stories");
}

/// A test for each mistake: some story breaks this law, and is found out.
macro_rules! breaks {
    ($($name:ident: $mistake:ident, law $law:literal;)*) => {$(
        #[test]
        fn $name() {
            let (_, broken) = stories(Mistake::$mistake);
            assert!(broken.contains_key(&$law), "{:?} breaks {broken:?}", Mistake::$mistake);
        }
    )*};
}

breaks! {
    a_store_that_grants_a_live_lease: LiveLeaseGranted, law 1;
    a_store_that_lets_a_former_owner_end: FormerOwnerEnds, law 6;
    a_store_that_ends_another_run_by_a_copy: CopyEndsAnotherRun, law 6;
    a_store_that_forgets_the_fence_at_deletion: FenceForgotten, law 6;
    a_store_that_acknowledges_before_it_is_durable: AcknowledgedBeforeDurable, law 4;
    a_store_that_takes_a_lapsed_lease_for_a_failure: LapsedIsFree, law 5;
    a_store_that_overwrites_a_success: SuccessOverwritten, law 2;
    a_call_with_a_token_per_sending: TokenPerSending, law 5;
    a_call_that_fails_on_drop: FailedOnDrop, law 5;
    a_call_that_answers_before_the_record: AnsweredBeforeRecorded, law 4;
    a_call_that_ends_without_its_fence: EndsWithoutFence, law 6;
    a_call_that_renews_after_the_loss: RenewsAfterLoss, law 5;
}
