//! Keeping a key.

use idem_core::{Claimed, Ending, Owner, Ownership};

use crate::conformance::case::{cases, completed, holds, new_claim, same, TTL};

cases! {
    async fn an_owner_keeps_its_key(case) {
        let key = case.key()?;
        let owner = case.owner(&key).await?;
        let before = case.record(&key).await?;
        same("a renewal", case.renew(&key, owner).await?, Ownership::Held)?;
        let after = case.record(&key).await?;
        same("who has it", (after.owner, after.fence, after.attempt), (before.owner, before.fence, before.attempt))?;
        holds(after.expires_at >= before.expires_at, || "the retention was cut".into())?;
    }

    async fn a_stranger_keeps_nothing(case) {
        let key = case.key()?;
        same("a renewal of nothing", case.renew(&key, Owner::random()).await?, Ownership::Lost)?;
        same("the record", case.load(&key).await?, None)?;
        let owner = case.owner(&key).await?;
        same("a stranger's renewal", case.renew(&key, Owner::random()).await?, Ownership::Lost)?;
        same("the owner's", case.renew(&key, owner).await?, Ownership::Held)?;
    }

    async fn a_renewal_makes_the_lease_longer(case) {
        let (key, claim) = (case.key()?, idem_core::Claim::new(Owner::random(), case.short() * 4, TTL));
        case.granted(&key, &claim).await?;
        for _ in 0..3 {
            case.passes(case.short() * 2).await;
            same("a renewal", case.renew(&key, claim.owner).await?, Ownership::Held)?;
        }
        // After more than the first lease.
        let other = case.claim(&key, &new_claim()).await?;
        holds(matches!(other, Claimed::Running { .. }), || format!("a renewed key: {other:?}"))?;
        case.passes(case.short() * 4).await;
        case.granted(&key, &new_claim()).await?;
    }

    async fn a_lapsed_owner_keeps_its_key_until_somebody_takes_over(case) {
        let key = case.key()?;
        let owner = case.lapsed(&key).await?;
        same("a late renewal", case.renew(&key, owner).await?, Ownership::Held)?;
        case.passes(case.short()).await;
        let next = case.owner(&key).await?;
        same("one after the take-over", case.renew(&key, owner).await?, Ownership::Lost)?;
        same("the next owner's", case.renew(&key, next).await?, Ownership::Held)?;
    }

    async fn an_ended_run_is_not_renewed(case) {
        for ending in [completed(b"done"), Ending::Failed, Ending::Unknown] {
            let key = case.key_of(format!("{ending:?}"))?;
            let owner = case.owner(&key).await?;
            same("while it runs", case.renew(&key, owner).await?, Ownership::Held)?;
            case.end(&key, owner, ending).await?;
            let before = case.record(&key).await?;
            same("after its end", case.renew(&key, owner).await?, Ownership::Lost)?;
            same("the record", case.record(&key).await?, before)?;
        }
    }
}
