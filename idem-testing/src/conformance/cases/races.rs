//! Many at once. On a runtime with one thread, and a store that never waits, there is no race to be lost.

use std::future::Future;

use idem_core::{Claim, Claimed, Ending, Owner, Ownership, Settled, Settlement};
use tokio::task::JoinSet;

use super::settling::{can_settle, is_unsupported};
use crate::conformance::case::{cases, completed, completion, new_claim, same, Case, Failure};

const RIVALS: usize = 64;

/// What 64 do at the same time.
async fn at_once<T: Send + 'static, F: Future<Output = Result<T, Failure>> + Send + 'static>(
    case: &Case,
    rival: impl Fn(Case, usize) -> F,
) -> Result<Vec<T>, Failure> {
    let mut rivals = JoinSet::new();
    (0..RIVALS).for_each(|n| drop(rivals.spawn(rival(case.clone(), n))));
    let mut answers = Vec::new();
    while let Some(answer) = rivals.join_next().await {
        answers.extend(answer.ok().transpose()?);
    }
    same("how many answered", answers.len(), RIVALS)?;
    Ok(answers)
}

fn count(answers: &[Claimed]) -> (usize, usize) {
    let granted = answers.iter().filter(|answer| matches!(answer, Claimed::Granted(_))).count();
    let running = answers.iter().filter(|answer| matches!(answer, Claimed::Running { .. })).count();
    (granted, running)
}

cases! {
    async fn of_64_claims_at_once_one_is_granted(case) {
        for round in 0..5 {
            let key = case.key_of(round)?;
            let answers = at_once(&case, |case, _| {
                let key = key.clone();
                async move { case.claim(&key, &new_claim()).await }
            }).await?;
            same("granted, and found running", count(&answers), (1, RIVALS - 1))?;
        }
    }

    async fn of_64_take_overs_at_once_one_is_granted(case) {
        for (n, ending) in [Some(Ending::Failed), Some(Ending::Unknown), None].into_iter().enumerate() {
            let key = case.key_of(n)?;
            match ending {
                Some(ending) => {
                    let owner = case.owner(&key).await?;
                    case.end(&key, owner, ending).await?;
                }
                None => drop(case.lapsed(&key).await?),
            }
            let answers = at_once(&case, |case, _| {
                let key = key.clone();
                async move { case.claim(&key, &new_claim()).await }
            }).await?;
            same("granted, and found running", count(&answers), (1, RIVALS - 1))?;
            same("the attempt", case.record(&key).await?.attempt, 2)?;
        }
    }

    async fn one_claim_sent_64_times_at_once_is_one_claim(case) {
        let (key, claim) = (case.key()?, new_claim());
        let answers = at_once(&case, |case, _| {
            let key = key.clone();
            async move { case.granted(&key, &claim).await }
        }).await?;
        let record = case.record(&key).await?;
        same("the attempt", record.attempt, 1)?;
        same("one fence", answers.iter().all(|grant| grant.fence == record.fence), true)?;
    }

    async fn of_64_endings_at_once_only_the_owners_lands(case) {
        let key = case.key()?;
        let owner = case.owner(&key).await?;
        let answers = at_once(&case, |case, n| {
            let key = key.clone();
            let (owner, ending) = if n == 17 { (owner, completed(b"mine")) } else { (Owner::random(), completed(b"not")) };
            async move { case.finish(&key, owner, ending).await }
        }).await?;
        same("held", answers.iter().filter(|held| **held == Ownership::Held).count(), 1)?;
        case.answers(&key, b"mine").await?;
    }

    async fn of_64_results_of_one_owner_one_stays(case) {
        let key = case.key()?;
        let owner = case.owner(&key).await?;
        let answers = at_once(&case, |case, n| {
            let key = key.clone();
            async move {
                case.end(&key, owner, completed(&[n as u8])).await?;
                case.claim(&key, &new_claim()).await
            }
        }).await?;
        let stays = (0..RIVALS).map(|n| completion(&[n as u8])).find(|result| {
            answers.iter().all(|answer| matches!(answer, Claimed::Completed(done) if done.completion == *result))
        });
        same("a result that all were told", stays.is_some(), true)?;
    }

    async fn a_take_over_and_a_late_success_do_not_both_win(case) {
        for round in 0..8 {
            let key = case.key_of(round)?;
            let former = case.lapsed(&key).await?;
            let claim: Claim = new_claim();
            let (late, next) = tokio::join!(case.finish(&key, former, completed(b"late")), case.claim(&key, &claim));
            match (late?, next?) {
                (Ownership::Held, Claimed::Completed(_)) => case.answers(&key, b"late").await?,
                (Ownership::Lost, Claimed::Granted(_)) => case.end(&key, claim.owner, completed(b"next")).await?,
                other => same("one of them", Some(other), None)?,
            }
        }
    }

    async fn a_renewal_does_not_undo_the_end(case) {
        for round in 0..8 {
            let key = case.key_of(round)?;
            let owner = case.owner(&key).await?;
            at_once(&case, |case, n| {
                let key = key.clone();
                async move {
                    if n == 17 {
                        return case.end(&key, owner, completed(b"done")).await;
                    }
                    case.renew(&key, owner).await.map(drop)
                }
            }).await?;
            case.answers(&key, b"done").await?;
        }
    }

    async fn a_settlement_and_a_claim_do_not_both_win(case) {
        if can_settle(&case).await? {
            for round in 0..8 {
                let key = case.key_of(round)?;
                let owner = case.owner(&key).await?;
                case.end(&key, owner, Ending::Unknown).await?;
                let seen = case.record(&key).await?;
                let wins = at_once(&case, |case, n| {
                    let (key, seen) = (key.clone(), seen.clone());
                    async move {
                        if n % 8 == 0 {
                            let settled = case.settle(&key, &seen, Settlement::Completed(completion(b"settled"))).await?;
                            return Ok(settled == Settled::Applied);
                        }
                        Ok(matches!(case.claim(&key, &new_claim()).await?, Claimed::Granted(_)))
                    }
                }).await?;
                same("who has the key", wins.iter().filter(|won| **won).count(), 1)?;
            }
        }
    }

    async fn a_sweep_does_not_undo_a_claim(case) {
        for round in 0..8 {
            let (key, old) = (case.key_of(round)?, Claim::new(Owner::random(), case.short(), case.short()));
            case.granted(&key, &old).await?;
            case.end(&key, old.owner, Ending::Failed).await?;
            case.passes(case.short()).await;
            let claim = new_claim();
            at_once(&case, |case, n| {
                let key = key.clone();
                async move {
                    if n == 17 {
                        return case.granted(&key, &claim).await.map(drop);
                    }
                    match case.store().sweep(10).await {
                        Err(error) if is_unsupported(&error) => Ok(()),
                        swept => Ok(swept.map(drop)?),
                    }
                }
            }).await?;
            same("who has the key", case.record(&key).await?.owner, claim.owner)?;
        }
    }

    async fn of_64_keys_none_hinders_another(case) {
        at_once(&case, |case, n| async move {
            let key = case.key_of(n)?;
            let owner = case.owner(&key).await?;
            same("a renewal", case.renew(&key, owner).await?, Ownership::Held)?;
            case.end(&key, owner, completed(&[n as u8])).await?;
            case.answers(&key, &[n as u8]).await
        }).await?;
    }
}
