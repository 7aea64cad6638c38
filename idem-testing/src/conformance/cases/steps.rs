//! What a run has finished so far. A store without steps says `Unsupported`, and is asked no more.

use idem_core::{Claim, Claimed, Ending, Key, Owner, Ownership, Payload, SaveStep, Settled, Settlement, Step};

use super::settling::is_unsupported;
use crate::conformance::case::{cases, completed, holds, new_claim, print, same, Case, Failure, TTL};

async fn save(case: &Case, key: &Key, owner: Owner, index: u32, name: &str) -> Result<Option<Ownership>, Failure> {
    let step = Step::new(name, Payload::from_bytes(name.to_uppercase().into_bytes()));
    match case.store().save_step(key, &SaveStep::new(owner, index, step)).await {
        Err(error) if is_unsupported(&error) => Ok(None),
        answer => Ok(Some(answer?)),
    }
}

async fn can_save(case: &Case) -> Result<bool, Failure> {
    let key = case.key_of("supported")?;
    let owner = case.owner(&key).await?;
    Ok(save(case, &key, owner, 0, "a").await?.is_some())
}

/// A key whose owner has finished two steps.
async fn stepped(case: &Case, key: &Key, claim: &Claim) -> Result<(), Failure> {
    case.granted(key, claim).await?;
    for (index, name) in ["reserve", "pay"].into_iter().enumerate() {
        same("a step", save(case, key, claim.owner, index as u32, name).await?, Some(Ownership::Held))?;
    }
    Ok(())
}

fn names(steps: &idem_core::Steps) -> Vec<String> {
    steps.iter().map(|step| format!("{}={}", step.name, String::from_utf8_lossy(step.payload.as_bytes()))).collect()
}

const BOTH: [&str; 2] = ["reserve=RESERVE", "pay=PAY"];

cases! {
    async fn the_next_attempt_is_told_what_was_finished(case) {
        if can_save(&case).await? {
            for ending in [Ending::Failed, Ending::Unknown, Ending::Withdrawn] {
                let (key, claim) = (case.key_of(format!("{ending:?}"))?, new_claim());
                stepped(&case, &key, &claim).await?;
                same("shown", names(&case.record(&key).await?.steps), BOTH.map(String::from).into())?;
                same("the same claim", names(&case.granted(&key, &claim).await?.steps), BOTH.map(String::from).into())?;
                case.end(&key, claim.owner, ending).await?;
                let next = new_claim();
                same("told", names(&case.granted(&key, &next).await?.steps), BOTH.map(String::from).into())?;
                same("one more", save(&case, &key, next.owner, 2, "ship").await?, Some(Ownership::Held))?;
                same("in all", case.record(&key).await?.steps.count(), 3)?;
            }
            let lapsed = case.key_of("lapsed")?;
            stepped(&case, &lapsed, &Claim::new(Owner::random(), case.short() * 8, TTL)).await?;
            case.passes(case.short() * 8).await;
            same("told", names(&case.granted(&lapsed, &new_claim()).await?.steps), BOTH.map(String::from).into())?;
        }
    }

    async fn a_step_that_is_sent_again_is_the_same_step(case) {
        if can_save(&case).await? {
            let (key, claim) = (case.key()?, new_claim());
            stepped(&case, &key, &claim).await?;
            for (index, name) in [(0, "reserve"), (1, "pay"), (1, "pay")] {
                same("sent again", save(&case, &key, claim.owner, index, name).await?, Some(Ownership::Held))?;
            }
            same("in all", names(&case.record(&key).await?.steps), BOTH.map(String::from).into())?;
            same("one that leaves one out", save(&case, &key, claim.owner, 3, "late").await?, Some(Ownership::Lost))?;
            same("in all", case.record(&key).await?.steps.count(), 2)?;
        }
    }

    async fn a_former_owner_saves_no_steps(case) {
        if can_save(&case).await? {
            let (key, former) = (case.key()?, new_claim());
            same("without a record", save(&case, &key, former.owner, 0, "a").await?, Some(Ownership::Lost))?;
            stepped(&case, &key, &former).await?;
            case.end(&key, former.owner, Ending::Failed).await?;
            same("after its end", save(&case, &key, former.owner, 2, "late").await?, Some(Ownership::Lost))?;
            let owner = case.owner(&key).await?;
            same("a former owner's", save(&case, &key, former.owner, 2, "late").await?, Some(Ownership::Lost))?;
            same("the owner's", save(&case, &key, owner, 2, "ship").await?, Some(Ownership::Held))?;
            case.end(&key, owner, completed(b"done")).await?;
            same("after a success", save(&case, &key, owner, 3, "late").await?, Some(Ownership::Lost))?;
            case.answers(&key, b"done").await?;
        }
    }

    async fn what_a_request_has_finished_is_no_others(case) {
        if can_save(&case).await? {
            let (key, claim) = (case.key()?, new_claim().fingerprint(print(1)));
            stepped(&case, &key, &claim).await?;
            case.end(&key, claim.owner, Ending::Failed).await?;
            same("another request", case.claim(&key, &new_claim().fingerprint(print(2))).await?, Claimed::Reused)?;
            let grant = case.granted(&key, &new_claim().fingerprint(print(1))).await?;
            same("the same request", names(&grant.steps), BOTH.map(String::from).into())?;
        }
    }

    async fn steps_are_kept_until_it_is_done(case) {
        if can_save(&case).await? {
            let (key, claim) = (case.key()?, new_claim());
            stepped(&case, &key, &claim).await?;
            same("a renewal", case.renew(&key, claim.owner).await?, Ownership::Held)?;
            same("after it", case.record(&key).await?.steps.count(), 2)?;
            case.end(&key, claim.owner, completed(b"done")).await?;
            same("done", case.record(&key).await?.steps.count(), 0)?;
            for settlement in [Settlement::Failed, Settlement::Forgotten] {
                let (key, claim) = (case.key_of(format!("{settlement:?}"))?, new_claim());
                stepped(&case, &key, &claim).await?;
                case.end(&key, claim.owner, Ending::Unknown).await?;
                let (seen, kept) = (case.record(&key).await?, if settlement == Settlement::Failed { 2 } else { 0 });
                same("settled", case.settle(&key, &seen, settlement).await?, Settled::Applied)?;
                same("kept", case.granted(&key, &new_claim()).await?.steps.count(), kept)?;
            }
        }
    }

    async fn steps_of_any_bytes_come_back(case) {
        if can_save(&case).await? {
            let (key, claim) = (case.key()?, new_claim());
            case.granted(&key, &claim).await?;
            let odd: Vec<u8> = (0..=255).cycle().take(70_000).collect();
            let steps = [("", &b""[..]), ("a\n b\0'{}", b"\n\0"), ("long", &odd)];
            for (index, (name, payload)) in steps.into_iter().enumerate() {
                let save = SaveStep::new(claim.owner, index as u32, Step::new(name, Payload::from_bytes(payload)));
                same("a step", case.store().save_step(&key, &save).await?, Ownership::Held)?;
            }
            case.end(&key, claim.owner, Ending::Unknown).await?;
            let told = case.granted(&key, &new_claim()).await?.steps;
            let back = told.iter().map(|step| (step.name.to_string(), step.payload.as_bytes().to_vec()));
            let right = steps.map(|(name, payload)| (name.to_owned(), payload.to_vec()));
            holds(back.eq(right), || "they are others".into())?;
        }
    }
}
