//! An operator's word. A store without it says `Unsupported`, and is asked no more.

use idem_core::{Claimed, Ending, Owner, Ownership, Settle, Settled, Settlement};

use crate::conformance::case::{cases, completed, completion, holds, new_claim, print, same, Case};

/// Whether the store has the verb at all.
pub(super) async fn can_settle(case: &Case) -> Result<bool, crate::conformance::case::Failure> {
    let key = case.key_of("supported")?;
    case.owner(&key).await?;
    let settle = Settle::new(&case.record(&key).await?, Owner::random(), Settlement::Failed);
    match case.store().settle(&key, &settle).await {
        Ok(_) => Ok(true),
        Err(error) if is_unsupported(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn is_unsupported(error: &idem_core::StoreError) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<idem_core::Unsupported>())
}

cases! {
    async fn an_operator_settles_what_nobody_has(case) {
        if can_settle(&case).await? {
            for ending in [completed(b"wrong"), Ending::Failed, Ending::Unknown] {
                let (key, claim) = (case.key_of(format!("{ending:?}"))?, new_claim().fingerprint(print(1)));
                case.granted(&key, &claim).await?;
                case.end(&key, claim.owner, ending).await?;
                let before = case.record(&key).await?;
                case.passes(case.short()).await;
                let settlement = Settlement::Completed(completion(b"settled"));
                same("the answer", case.settle(&key, &before, settlement).await?, Settled::Applied)?;
                case.answers(&key, b"settled").await?;
                let peeked = case.store().peek(&key).map(|done| done.completion);
                let settled = peeked.is_none() || peeked == Some(completion(b"settled"));
                holds(settled, || format!("peeked at: {peeked:?}"))?;
                let after = case.record(&key).await?;
                holds(after.expires_at > before.expires_at, || "its TTL does not begin anew".into())?;
                holds(after.fence > before.fence, || "the fence did not rise".into())?;
                same("the fingerprint", after.fingerprint, print(1))?;
                let late = case.finish(&key, claim.owner, completed(b"late")).await?;
                same("the former owner's ending", late, Ownership::Lost)?;
            }
        }
    }

    async fn a_live_lease_is_not_settled(case) {
        if can_settle(&case).await? {
            let key = case.key()?;
            let owner = case.owner(&key).await?;
            let before = case.record(&key).await?;
            for settlement in [Settlement::Failed, Settlement::Forgotten, Settlement::Completed(completion(b"no"))] {
                let answer = case.settle(&key, &before, settlement).await?;
                holds(matches!(answer, Settled::Running { .. }), || format!("a live lease: {answer:?}"))?;
            }
            same("the record", case.record(&key).await?, before)?;
            case.end(&key, owner, completed(b"honest")).await?;
        }
    }

    async fn a_record_that_changed_is_not_settled(case) {
        if can_settle(&case).await? {
            let key = case.key()?;
            let owner = case.owner(&key).await?;
            case.end(&key, owner, Ending::Unknown).await?;
            let looked_at = case.record(&key).await?;
            let nothing = case.settle(&case.key_of("nothing")?, &looked_at, Settlement::Failed).await?;
            same("of nothing", nothing, Settled::Changed)?;
            let next = case.owner(&key).await?;
            case.end(&key, next, Ending::Unknown).await?;
            same("of an older record", case.settle(&key, &looked_at, Settlement::Failed).await?, Settled::Changed)?;
            let now = case.record(&key).await?;
            same("of this one", case.settle(&key, &now, Settlement::Failed).await?, Settled::Applied)?;
        }
    }

    async fn a_success_that_came_after_the_look_is_not_settled_away(case) {
        if can_settle(&case).await? {
            let key = case.key()?;
            let owner = case.lapsed(&key).await?;
            let looked_at = case.record(&key).await?;
            case.end(&key, owner, completed(b"late")).await?;
            for settlement in [Settlement::Failed, Settlement::Forgotten, Settlement::Completed(completion(b"no"))] {
                same("under the same fence", case.settle(&key, &looked_at, settlement).await?, Settled::Changed)?;
            }
            case.answers(&key, b"late").await?;
        }
    }

    async fn settled_again_is_settled_once(case) {
        if can_settle(&case).await? {
            let key = case.key()?;
            let owner = case.owner(&key).await?;
            case.end(&key, owner, Ending::Unknown).await?;
            let settle = Settle::new(&case.record(&key).await?, Owner::random(), Settlement::Failed);
            same("once", case.store().settle(&key, &settle).await?, Settled::Applied)?;
            let record = case.record(&key).await?;
            same("again", case.store().settle(&key, &settle).await?, Settled::Applied)?;
            same("the record", case.record(&key).await?, record)?;
        }
    }

    async fn retried_is_known_not_to_have_happened(case) {
        if can_settle(&case).await? {
            let (key, claim) = (case.key()?, new_claim().at_most_once(true));
            case.granted(&key, &claim).await?;
            case.end(&key, claim.owner, Ending::Unknown).await?;
            same("before", case.claim(&key, &new_claim()).await?, Claimed::indeterminate(1))?;
            let seen = case.record(&key).await?;
            same("the answer", case.settle(&key, &seen, Settlement::Failed).await?, Settled::Applied)?;
            let grant = case.granted(&key, &new_claim()).await?;
            same("the next attempt", (grant.attempt, grant.after_unknown), (2, false))?;
        }
    }

    async fn forgotten_leaves_nothing_but_the_fence(case) {
        if can_settle(&case).await? {
            let (key, claim) = (case.key()?, new_claim().fingerprint(print(1)).at_most_once(true));
            let first = case.granted(&key, &claim).await?;
            case.end(&key, claim.owner, completed(b"secret")).await?;
            let seen = case.record(&key).await?;
            same("the answer", case.settle(&key, &seen, Settlement::Forgotten).await?, Settled::Applied)?;
            let left = case.load(&key).await?;
            holds(left.as_ref().is_none_or(idem_core::Record::is_blank), || format!("what is left: {left:?}"))?;
            same("peeked at", case.store().peek(&key), None)?;
            let grant = case.granted(&key, &new_claim().fingerprint(print(2))).await?;
            same("the next attempt", (grant.attempt, grant.fingerprint), (1, print(2)))?;
            holds(grant.fence > first.fence, || format!("the fence fell from {} to {}", first.fence, grant.fence))?;
        }
    }
}
