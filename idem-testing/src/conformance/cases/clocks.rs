//! A clock that steps may end a lease, or stretch it, and does no other harm.

use std::time::Duration;

use idem_core::{Claim, Claimed, Ending, Owner, Ownership};

use crate::conformance::case::{cases, completed, holds, new_claim, same, LIVE};

const HOUR: Duration = Duration::from_secs(3600);

cases! {
    needs_clock = true;

    async fn a_clock_set_back_takes_nothing_from_an_owner(case) {
        let key = case.key()?;
        let owner = case.owner(&key).await?;
        case.turned()?.set_back(HOUR);
        let other = case.claim(&key, &new_claim()).await?;
        holds(matches!(other, Claimed::Running { .. }), || format!("a key that somebody has: {other:?}"))?;
        same("a renewal", case.renew(&key, owner).await?, Ownership::Held)?;
        case.end(&key, owner, completed(b"done")).await?;
        case.answers(&key, b"done").await?;
    }

    async fn a_result_is_replayed_for_weeks_if_its_ttl_says_so(case) {
        const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
        let (key, claim) = (case.key()?, Claim::new(Owner::random(), LIVE, 5 * WEEK));
        case.granted(&key, &claim).await?;
        case.end(&key, claim.owner, completed(b"done")).await?;
        case.turned()?.step(4 * WEEK);
        case.answers(&key, b"done").await?;
        case.turned()?.step(WEEK);
        case.granted(&key, &new_claim()).await?;
    }

    async fn fences_rise_though_the_clock_is_set_back(case) {
        let key = case.key()?;
        let mut last = 0;
        for _ in 0..4 {
            let claim = new_claim();
            let grant = case.granted(&key, &claim).await?;
            holds(grant.fence > last, || format!("the fence went from {last} to {}", grant.fence))?;
            last = grant.fence;
            case.end(&key, claim.owner, Ending::Failed).await?;
            case.turned()?.set_back(HOUR / 2);
        }
    }

    async fn a_clock_set_forward_costs_an_early_take_over_and_no_more(case) {
        let key = case.key()?;
        let former = case.owner(&key).await?;
        case.turned()?.step(LIVE);
        let next = case.owner(&key).await?;
        same("the former owner's success", case.finish(&key, former, completed(b"late")).await?, Ownership::Lost)?;
        case.end(&key, next, completed(b"next")).await?;
        case.answers(&key, b"next").await?;
    }
}
