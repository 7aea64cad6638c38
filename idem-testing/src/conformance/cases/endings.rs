//! Ending a run.

use idem_core::{Completion, Ending, Finish, Owner, Ownership, State};

use crate::conformance::case::{cases, completed, new_claim, print, same};

cases! {
    async fn an_ending_sent_again_is_held_and_changes_nothing(case) {
        for ending in [completed(b"done"), Ending::Failed, Ending::Unknown, Ending::Withdrawn] {
            let key = case.key_of(format!("{ending:?}"))?;
            let owner = case.owner(&key).await?;
            case.end(&key, owner, ending.clone()).await?;
            let record = case.record(&key).await?;
            case.end(&key, owner, ending).await?;
            same("the record", case.record(&key).await?, record)?;
        }
    }

    async fn a_stranger_ends_nothing(case) {
        let key = case.key()?;
        for ending in [completed(b"theirs"), Ending::Failed, Ending::Unknown, Ending::Withdrawn] {
            same("of nothing", case.finish(&key, Owner::random(), ending).await?, Ownership::Lost)?;
        }
        same("the record", case.load(&key).await?, None)?;
        let owner = case.owner(&key).await?;
        let record = case.record(&key).await?;
        for ending in [completed(b"theirs"), Ending::Failed, Ending::Unknown, Ending::Withdrawn] {
            same("of another's run", case.finish(&key, Owner::random(), ending).await?, Ownership::Lost)?;
        }
        same("the record", case.record(&key).await?, record)?;
        case.end(&key, owner, completed(b"mine")).await?;
        case.answers(&key, b"mine").await?;
    }

    async fn a_former_owner_ends_nothing_while_the_next_one_runs(case) {
        for ending in [completed(b"late"), Ending::Failed, Ending::Unknown, Ending::Withdrawn] {
            let key = case.key_of(format!("{ending:?}"))?;
            let former = case.lapsed(&key).await?;
            let next = case.owner(&key).await?;
            let record = case.record(&key).await?;
            same("a former owner's ending", case.finish(&key, former, ending).await?, Ownership::Lost)?;
            same("the record", case.record(&key).await?, record)?;
            case.end(&key, next, completed(b"next")).await?;
            case.answers(&key, b"next").await?;
        }
    }

    async fn a_former_owner_ends_nothing_after_the_next_one_ended(case) {
        for next_ending in [completed(b"next"), Ending::Failed, Ending::Unknown] {
            let key = case.key_of(format!("{next_ending:?}"))?;
            let former = case.lapsed(&key).await?;
            let next = case.owner(&key).await?;
            case.end(&key, next, next_ending).await?;
            let record = case.record(&key).await?;
            for ending in [completed(b"late"), Ending::Failed, Ending::Unknown, Ending::Withdrawn] {
                same("a former owner's ending", case.finish(&key, former, ending).await?, Ownership::Lost)?;
            }
            same("the record", case.record(&key).await?, record)?;
        }
    }

    async fn a_copy_of_an_ending_ends_no_other_run_of_its_token(case) {
        for ending in [completed(b"late"), Ending::Failed, Ending::Unknown, Ending::Withdrawn] {
            let (key, claim) = (case.key_of(format!("{ending:?}"))?, new_claim());
            let grant = case.granted(&key, &claim).await?;
            let finish = Finish::new(claim.owner, Ending::Failed).fence(Some(grant.fence));
            same("its own ending", case.store().finish(&key, &finish).await?, Ownership::Held)?;
            let between = case.owner(&key).await?;
            case.end(&key, between, Ending::Unknown).await?;
            // A copy of the claim, when its call has long gone; and one of the ending behind it.
            let again = case.granted(&key, &claim).await?;
            let record = case.record(&key).await?;
            let copy = Finish::new(claim.owner, ending.clone()).fence(Some(grant.fence));
            same("a copy of another run's ending", case.store().finish(&key, &copy).await?, Ownership::Lost)?;
            same("the record", case.record(&key).await?, record)?;
            let own = Finish::new(claim.owner, ending).fence(Some(again.fence));
            same("an ending of this run", case.store().finish(&key, &own).await?, Ownership::Held)?;
        }
    }

    async fn a_late_success_lands_while_nobody_took_over(case) {
        let key = case.key()?;
        let owner = case.lapsed(&key).await?;
        case.end(&key, owner, completed(b"late")).await?;
        case.answers(&key, b"late").await?;
    }

    async fn a_success_lands_after_the_run_was_given_up(case) {
        for first in [Ending::Failed, Ending::Unknown, Ending::Withdrawn] {
            let key = case.key_of(format!("{first:?}"))?;
            let owner = case.owner(&key).await?;
            case.end(&key, owner, first).await?;
            case.end(&key, owner, completed(b"after all")).await?;
            case.answers(&key, b"after all").await?;
        }
    }

    async fn done_stays_done(case) {
        let key = case.key()?;
        let owner = case.owner(&key).await?;
        case.end(&key, owner, completed(b"first")).await?;
        for ending in [Ending::Failed, Ending::Unknown, Ending::Withdrawn, completed(b"second")] {
            case.end(&key, owner, ending).await?;
            case.answers(&key, b"first").await?;
        }
        let key = case.key_of("unreplayable")?;
        let owner = case.owner(&key).await?;
        case.end(&key, owner, Ending::Completed(Completion::Unreplayable)).await?;
        case.end(&key, owner, completed(b"second")).await?;
        same("what was first said", case.record(&key).await?.state, State::Completed(Completion::Unreplayable))?;
    }

    async fn an_unknown_outcome_is_not_made_a_failure(case) {
        let key = case.key()?;
        let owner = case.owner(&key).await?;
        case.end(&key, owner, Ending::Unknown).await?;
        case.end(&key, owner, Ending::Failed).await?;
        same("an unknown outcome before it", case.granted(&key, &new_claim()).await?.after_unknown, true)?;
    }

    async fn a_withdrawn_claim_leaves_things_as_they_were(case) {
        let (key, claim) = (case.key()?, new_claim().fingerprint(print(1)).at_most_once(true));
        case.granted(&key, &claim).await?;
        case.end(&key, claim.owner, Ending::Withdrawn).await?;
        let grant = case.granted(&key, &new_claim().fingerprint(print(2))).await?;
        same("the attempt", (grant.attempt, grant.after_unknown), (1, false))?;
        let record = case.record(&key).await?;
        same("what the withdrawn one had brought", (record.fingerprint, record.at_most_once), (print(2), false))?;
    }

    async fn a_withdrawn_claim_leaves_an_unknown_outcome_unknown(case) {
        let key = case.key()?;
        let owner = case.owner(&key).await?;
        case.end(&key, owner, Ending::Unknown).await?;
        let second = case.owner(&key).await?;
        case.end(&key, second, Ending::Withdrawn).await?;
        let record = case.record(&key).await?;
        same("the record", (record.state, record.attempt), (State::Unknown, 1))?;
        let grant = case.granted(&key, &new_claim()).await?;
        same("the next attempt", (grant.attempt, grant.after_unknown), (2, true))?;
    }

    async fn the_fingerprint_is_kept_to_the_end(case) {
        for ending in [completed(b"done"), Ending::Failed, Ending::Unknown] {
            let (key, claim) = (case.key_of(format!("{ending:?}"))?, new_claim().fingerprint(print(7)));
            case.granted(&key, &claim).await?;
            case.end(&key, claim.owner, ending).await?;
            let record = case.record(&key).await?;
            same("fingerprint and attempt", (record.fingerprint, record.attempt), (print(7), 1))?;
        }
    }

    async fn each_run_ends_with_its_own_result(case) {
        let keys = [case.key_of(1)?, case.key_of(2)?];
        let [one, two] = &keys;
        let owners = (case.owner(one).await?, case.owner(two).await?);
        same("the other's owner", case.finish(one, owners.1, completed(b"2")).await?, Ownership::Lost)?;
        case.end(two, owners.1, completed(b"2")).await?;
        case.end(one, owners.0, completed(b"1")).await?;
        case.answers(one, b"1").await?;
        case.answers(two, b"2").await?;
    }
}
