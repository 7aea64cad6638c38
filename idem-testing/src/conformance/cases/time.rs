//! Leases, TTLs and retention, by the store's clock.

use std::time::Duration;

use idem_core::{Claim, Claimed, Ending, Owner, Ownership, Timestamp};

use crate::conformance::case::{cases, completed, holds, new_claim, print, same, LIVE, TTL};

cases! {
    async fn a_lapsed_lease_counts_as_an_unknown_outcome(case) {
        let key = case.key()?;
        case.lapsed(&key).await?;
        let grant = case.granted(&key, &new_claim()).await?;
        same("the next attempt", (grant.attempt, grant.after_unknown), (2, true))?;
    }

    async fn a_lapsed_lease_at_most_once_is_refused(case) {
        let (key, claim) = (case.key()?, Claim::new(Owner::random(), case.short(), TTL).at_most_once(true));
        case.granted(&key, &claim).await?;
        case.passes(case.short()).await;
        same("the next attempt", case.claim(&key, &new_claim()).await?, Claimed::indeterminate(1))?;
        case.granted(&key, &new_claim().reconciling(true)).await?;
    }

    async fn a_lapsed_lease_for_another_request_is_reused(case) {
        let (key, claim) = (case.key()?, Claim::new(Owner::random(), case.short(), TTL).fingerprint(print(1)));
        case.granted(&key, &claim).await?;
        case.passes(case.short()).await;
        same("another request", case.claim(&key, &new_claim().fingerprint(print(2))).await?, Claimed::Reused)?;
        case.granted(&key, &new_claim().fingerprint(print(1))).await?;
    }

    async fn a_result_is_forgotten_after_its_ttl_and_not_before(case) {
        let (kept, over) = (case.key_of("kept")?, case.key_of("over")?);
        for (key, ttl) in [(&kept, TTL), (&over, case.short())] {
            let claim = Claim::new(Owner::random(), LIVE, ttl).fingerprint(print(1));
            case.granted(key, &claim).await?;
            case.end(key, claim.owner, completed(b"done")).await?;
        }
        case.passes(case.short()).await;
        case.answers(&kept, b"done").await?;
        same("loaded", case.load(&over).await?, None)?;
        same("peeked at", case.store().peek(&over), None)?;
        let grant = case.granted(&over, &new_claim().fingerprint(print(2))).await?;
        same("a new life", (grant.attempt, grant.fingerprint), (1, print(2)))?;
    }

    async fn the_ttl_is_counted_from_the_recording(case) {
        let (key, claim) = (case.key()?, Claim::new(Owner::random(), LIVE, case.short() * 4));
        case.granted(&key, &claim).await?;
        case.passes(case.short() * 4).await;
        case.end(&key, claim.owner, completed(b"done")).await?;
        case.answers(&key, b"done").await?;
        case.passes(case.short() * 4).await;
        case.granted(&key, &new_claim()).await?;
    }

    async fn failures_are_forgotten_after_the_ttl(case) {
        for ending in [Ending::Failed, Ending::Unknown] {
            let (key, claim) = (case.key_of(format!("{ending:?}"))?, Claim::new(Owner::random(), LIVE, case.short()));
            case.granted(&key, &claim).await?;
            case.end(&key, claim.owner, ending).await?;
            case.passes(case.short()).await;
            let grant = case.granted(&key, &new_claim().at_most_once(true)).await?;
            same("a new life", (grant.attempt, grant.after_unknown), (1, false))?;
        }
    }

    async fn a_claim_is_kept_for_lease_and_ttl(case) {
        let (key, claim) = (case.key()?, Claim::new(Owner::random(), case.short(), TTL).at_most_once(true));
        case.granted(&key, &claim).await?;
        case.passes(case.short() * 2).await;
        same("the attempt is known", case.claim(&key, &new_claim()).await?, Claimed::indeterminate(1))?;
        let brief = Claim::new(Owner::random(), case.short(), Duration::from_millis(1)).at_most_once(true);
        let key = case.key_of("brief")?;
        case.granted(&key, &brief).await?;
        case.passes(case.short() * 2).await;
        same("a new life", case.granted(&key, &new_claim()).await?.attempt, 1)?;
    }

    async fn a_renewed_claim_outlives_its_first_retention(case) {
        let short = case.short();
        let (key, claim) = (case.key()?, Claim::new(Owner::random(), short * 10, Duration::from_millis(1)));
        case.granted(&key, &claim).await?;
        // Together longer than the lease; each renewal may be late by more than half of it on a busy machine.
        for _ in 0..5 {
            case.passes(short * 3).await;
            same("a renewal", case.renew(&key, claim.owner).await?, Ownership::Held)?;
        }
        let other = case.claim(&key, &new_claim()).await?;
        holds(matches!(other, Claimed::Running { .. }), || format!("a key that was just renewed: {other:?}"))?;
        case.end(&key, claim.owner, completed(b"done")).await?;
    }

    async fn fences_rise_with_every_owner(case) {
        let key = case.key()?;
        let mut last = 0;
        for n in 0..6 {
            let claim = Claim::new(Owner::random(), case.short(), case.short());
            let grant = case.granted(&key, &claim).await?;
            holds(grant.fence > last, || format!("the fence went from {last} to {}", grant.fence))?;
            last = grant.fence;
            match n % 3 {
                0 => case.end(&key, claim.owner, Ending::Failed).await?,
                1 => {
                    case.end(&key, claim.owner, completed(b"done")).await?;
                    // Forgotten, and perhaps deleted.
                    case.passes(case.short() * 2).await;
                }
                _ => case.passes(case.short()).await,
            }
        }
    }

    async fn times_without_end_are_as_long_as_can_be(case) {
        let (key, claim) = (case.key()?, Claim::new(Owner::random(), Duration::MAX, Duration::MAX));
        case.granted(&key, &claim).await?;
        let other = case.claim(&key, &new_claim()).await?;
        holds(matches!(other, Claimed::Running { .. }), || format!("a lease without end: {other:?}"))?;
        case.end(&key, claim.owner, completed(b"done")).await?;
        case.answers(&key, b"done").await?;
        holds(case.record(&key).await?.expires_at > Timestamp::from_micros(0), || "it was over at once".into())?;
    }
}
