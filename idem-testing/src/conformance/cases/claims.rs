//! Who gets a key.

use idem_core::{Claimed, Completion, Ending};

use crate::conformance::case::{cases, completed, completion, holds, new_claim, print, same, LIVE, TTL};

cases! {
    async fn a_free_key_is_granted(case) {
        let (key, claim) = (case.key()?, new_claim().fingerprint(print(1)));
        let grant = case.granted(&key, &claim).await?;
        same("the attempt", grant.attempt, 1)?;
        same("the fingerprint", grant.fingerprint, print(1))?;
        same("an unknown outcome before it", grant.after_unknown, false)?;
    }

    async fn the_same_claim_again_is_granted(case) {
        let (key, claim) = (case.key()?, new_claim());
        let first = case.granted(&key, &claim).await?;
        same("the same claim, sent again", case.granted(&key, &claim).await?, first)?;
        same("the attempt", case.record(&key).await?.attempt, 1)?;
    }

    async fn another_claim_finds_it_running(case) {
        let (key, claim) = (case.key()?, new_claim().fingerprint(print(1)));
        case.granted(&key, &claim).await?;
        let before = case.record(&key).await?;
        match case.claim(&key, &new_claim().fingerprint(print(1))).await? {
            Claimed::Running { lease_left, fingerprint, .. } => {
                holds(lease_left <= LIVE && lease_left > LIVE / 2, || format!("the lease left: {lease_left:?} of {LIVE:?}"))?;
                same("the fingerprint", fingerprint, print(1))?;
            }
            other => same("a key that somebody has", Some(other), None)?,
        }
        same("the record, which was only looked at", case.record(&key).await?, before)?;
        case.granted(&key, &claim).await?;
    }

    async fn running_for_another_request_is_reused(case) {
        let (key, claim) = (case.key()?, new_claim().fingerprint(print(1)));
        case.granted(&key, &claim).await?;
        let before = case.record(&key).await?;
        same("another request", case.claim(&key, &new_claim().fingerprint(print(2))).await?, Claimed::Reused)?;
        same("the record, which was only looked at", case.record(&key).await?, before)?;
        case.end(&key, claim.owner, completed(b"honest")).await?;
    }

    async fn done_for_another_request_is_reused(case) {
        let (key, claim) = (case.key()?, new_claim().fingerprint(print(1)));
        case.granted(&key, &claim).await?;
        case.end(&key, claim.owner, completed(b"done")).await?;
        same("another request", case.claim(&key, &new_claim().fingerprint(print(2))).await?, Claimed::Reused)?;
        match case.claim(&key, &new_claim().fingerprint(print(1))).await? {
            Claimed::Completed(done) => {
                same("the result", done.completion, completion(b"done"))?;
                same("the fingerprint, kept", done.fingerprint, print(1))?;
            }
            other => same("the same request", Some(other), None)?,
        }
    }

    async fn unknown_for_another_request_is_reused(case) {
        let (key, claim) = (case.key()?, new_claim().fingerprint(print(1)));
        case.granted(&key, &claim).await?;
        case.end(&key, claim.owner, Ending::Unknown).await?;
        same("another request", case.claim(&key, &new_claim().fingerprint(print(2))).await?, Claimed::Reused)?;
        case.granted(&key, &new_claim().fingerprint(print(1))).await?;
    }

    async fn a_fingerprint_on_one_side_only_counts_as_the_same(case) {
        for (mine, theirs) in [(print(1), None), (None, print(1))] {
            let (key, claim) = (case.key_of(mine.is_some())?, new_claim().fingerprint(mine));
            case.granted(&key, &claim).await?;
            let other = case.claim(&key, &new_claim().fingerprint(theirs)).await?;
            holds(matches!(other, Claimed::Running { .. }), || format!("while it runs: {other:?}"))?;
            case.end(&key, claim.owner, completed(b"done")).await?;
            let other = case.claim(&key, &new_claim().fingerprint(theirs)).await?;
            holds(matches!(other, Claimed::Completed(_)), || format!("when it is done: {other:?}"))?;
        }
    }

    async fn done_answers_with_its_result(case) {
        let key = case.key()?;
        let owner = case.owner(&key).await?;
        case.end(&key, owner, completed(b"result")).await?;
        for _ in 0..3 {
            case.answers(&key, b"result").await?;
        }
    }

    async fn done_says_how_long_it_is_to_be_replayed(case) {
        let key = case.key()?;
        let owner = case.owner(&key).await?;
        case.end(&key, owner, completed(b"result")).await?;
        case.passes(case.short()).await;
        match case.claim(&key, &new_claim()).await? {
            Claimed::Completed(done) => {
                let left = done.ttl_left;
                holds(left < TTL && left > TTL / 2, || format!("the TTL left: {left:?} of {TTL:?}"))?;
            }
            other => same("a key that is done", Some(other), None)?,
        }
    }

    async fn running_says_for_how_long(case) {
        let key = case.key()?;
        case.owner(&key).await?;
        case.passes(case.short()).await;
        match case.claim(&key, &new_claim()).await? {
            Claimed::Running { age, .. } => holds(age >= case.short(), || format!("the age: {age:?}"))?,
            other => same("a key that somebody has", Some(other), None)?,
        }
    }

    async fn done_without_a_result_says_so(case) {
        let key = case.key()?;
        let owner = case.owner(&key).await?;
        case.end(&key, owner, Ending::Completed(Completion::Unreplayable)).await?;
        match case.claim(&key, &new_claim()).await? {
            Claimed::Completed(done) => same("the result", done.completion, Completion::Unreplayable)?,
            other => same("a key that is done", Some(other), None)?,
        }
    }

    async fn failed_is_granted_as_the_next_attempt(case) {
        let (key, claim) = (case.key()?, new_claim().fingerprint(print(1)));
        case.granted(&key, &claim).await?;
        case.end(&key, claim.owner, Ending::Failed).await?;
        let grant = case.granted(&key, &new_claim()).await?;
        same("the attempt", grant.attempt, 2)?;
        same("the fingerprint of the first attempt", grant.fingerprint, print(1))?;
        same("an unknown outcome before it", grant.after_unknown, false)?;
    }

    async fn failed_is_granted_afresh_to_another_request(case) {
        let (key, claim) = (case.key()?, new_claim().fingerprint(print(1)));
        case.granted(&key, &claim).await?;
        case.end(&key, claim.owner, Ending::Failed).await?;
        let grant = case.granted(&key, &new_claim().fingerprint(print(2))).await?;
        same("the attempt", grant.attempt, 1)?;
        same("the fingerprint", grant.fingerprint, print(2))?;
    }

    async fn unknown_is_granted_after_an_unknown_outcome(case) {
        let key = case.key()?;
        let owner = case.owner(&key).await?;
        case.end(&key, owner, Ending::Unknown).await?;
        let grant = case.granted(&key, &new_claim()).await?;
        same("the attempt", grant.attempt, 2)?;
        same("an unknown outcome before it", grant.after_unknown, true)?;
    }

    async fn unknown_at_most_once_is_refused(case) {
        // The record's, the caller's, and both.
        for (first, second) in [(true, false), (false, true), (true, true)] {
            let (key, claim) = (case.key_of((first, second))?, new_claim().at_most_once(first));
            case.granted(&key, &claim).await?;
            case.end(&key, claim.owner, Ending::Unknown).await?;
            let refused = case.claim(&key, &new_claim().at_most_once(second)).await?;
            same("an attempt after an unknown outcome", refused, Claimed::indeterminate(1))?;
            if !first {
                case.granted(&key, &new_claim()).await?;
            }
        }
    }

    async fn failed_at_most_once_is_granted(case) {
        let (key, claim) = (case.key()?, new_claim().at_most_once(true));
        case.granted(&key, &claim).await?;
        case.end(&key, claim.owner, Ending::Failed).await?;
        same("the attempt", case.granted(&key, &new_claim().at_most_once(true)).await?.attempt, 2)?;
    }

    async fn a_reconciling_claim_takes_over_at_most_once(case) {
        let (key, claim) = (case.key()?, new_claim().at_most_once(true));
        case.granted(&key, &claim).await?;
        case.end(&key, claim.owner, Ending::Unknown).await?;
        let refused = case.claim(&key, &new_claim().at_most_once(true)).await?;
        same("a claim that does not ask", refused, Claimed::indeterminate(1))?;
        let grant = case.granted(&key, &new_claim().at_most_once(true).reconciling(true)).await?;
        same("an unknown outcome before it", (grant.after_unknown, grant.attempt), (true, 2))?;
    }

    async fn at_most_once_is_not_forgotten_by_a_later_attempt(case) {
        let (key, claim) = (case.key()?, new_claim().at_most_once(true));
        case.granted(&key, &claim).await?;
        case.end(&key, claim.owner, Ending::Failed).await?;
        let second = case.owner(&key).await?;
        case.end(&key, second, Ending::Unknown).await?;
        same("a third", case.claim(&key, &new_claim()).await?, Claimed::indeterminate(2))?;
    }

    async fn a_claim_delivered_after_its_owner_ended_is_not_granted(case) {
        for ending in [Ending::Withdrawn, Ending::Failed, Ending::Unknown] {
            let (key, claim) = (case.key_of(format!("{ending:?}"))?, new_claim());
            case.granted(&key, &claim).await?;
            case.end(&key, claim.owner, ending).await?;
            let late = case.claim(&key, &claim).await?;
            holds(!matches!(late, Claimed::Granted(_)), || "nobody is there to be granted anything".into())?;
            case.granted(&key, &new_claim()).await?;
        }
    }
}
