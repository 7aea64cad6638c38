//! Looking at records, and being told of news.

use std::collections::BTreeSet;

use idem_core::{Claimed, Ending, Key, List, State};

use super::settling::is_unsupported;
use crate::conformance::case::{cases, completed, completion, holds, new_claim, print, same, Case, Failure, LIVE, TTL};

/// All keys of the case's operation, page by page; `None` where the store cannot list.
async fn listed(case: &Case, limit: usize) -> Result<Option<BTreeSet<Vec<u8>>>, Failure> {
    let (mut listed, mut after) = (BTreeSet::new(), None);
    loop {
        let list = List::new(Key::prefix("conformance", case.operation())).after(after).limit(limit);
        let page = match case.store().list(&list).await {
            Err(error) if is_unsupported(&error) => return Ok(None),
            page => page?,
        };
        for one in page.records {
            holds(one.record.is_ok(), || format!("a record: {:?}", one.record))?;
            listed.insert(one.key.as_bytes().to_vec());
        }
        after = page.next;
        if after.is_none() {
            return Ok(Some(listed));
        }
    }
}

cases! {
    async fn a_record_is_shown_as_it_is(case) {
        let (key, claim) = (case.key()?, new_claim().fingerprint(print(3)).at_most_once(true));
        same("before there is one", case.load(&key).await?, None)?;
        let grant = case.granted(&key, &claim).await?;
        let running = case.record(&key).await?;
        same("owner, fence, attempt", (running.owner, running.fence, running.attempt), (claim.owner, grant.fence, 1))?;
        same("fingerprint, at most once", (running.fingerprint, running.at_most_once), (print(3), true))?;
        same("lease and ttl", (running.lease, running.ttl), (LIVE, TTL))?;
        match running.state {
            State::Running { since, lease_until, .. } => same("the lease", lease_until.since(since), LIVE)?,
            other => same("the state", Some(other), None)?,
        }
        case.end(&key, claim.owner, completed(b"done")).await?;
        let done = case.record(&key).await?;
        same("the state", done.state, State::Completed(completion(b"done")))?;
        same("owner, fence, attempt", (done.owner, done.fence, done.attempt), (claim.owner, grant.fence, 1))?;
    }

    async fn peeking_never_lies(case) {
        let key = case.key()?;
        same("at nothing", case.store().peek(&key), None)?;
        let claim = new_claim().fingerprint(print(1));
        case.granted(&key, &claim).await?;
        same("at a running key", case.store().peek(&key), None)?;
        case.end(&key, claim.owner, completed(b"done")).await?;
        case.answers(&key, b"done").await?;
        if let Some(done) = case.store().peek(&key) {
            same("at a done one", (done.fingerprint, done.completion), (print(1), completion(b"done")))?;
            holds(done.ttl_left <= TTL, || format!("the TTL left: {:?}", done.ttl_left))?;
        }
        let failed = case.key_of("failed")?;
        let owner = case.owner(&failed).await?;
        case.end(&failed, owner, Ending::Failed).await?;
        same("at a failed one", case.store().peek(&failed), None)?;
    }

    async fn hints_come_or_do_not_and_may_be_dropped(case) {
        let key = case.key()?;
        let owner = case.owner(&key).await?;
        // Dropped without a hint.
        let _ = tokio::time::timeout(case.short(), case.store().changed(&key)).await;
        case.end(&key, owner, completed(b"done")).await?;
        let _ = tokio::time::timeout(case.short(), case.store().changed(&key)).await;
        case.answers(&key, b"done").await?;
    }

    async fn all_records_of_an_operation_are_listed_and_no_others(case) {
        let mut expected = BTreeSet::new();
        for n in 0..25 {
            let key = case.key_of(n)?;
            let owner = case.owner(&key).await?;
            match n % 4 {
                0 => case.end(&key, owner, completed(b"done")).await?,
                1 => case.end(&key, owner, Ending::Unknown).await?,
                2 => case.end(&key, owner, Ending::Failed).await?,
                _ => {}
            }
            expected.insert(key.as_bytes().to_vec());
        }
        let other = Key::new("conformance", &format!("{}.other", case.operation()), "k");
        if let Ok(other) = other {
            case.owner(&other).await?;
        }
        for limit in [10, 1] {
            match listed(&case, limit).await? {
                Some(listed) => same("the keys", listed, expected.clone())?,
                None => return Ok(()),
            }
        }
    }

    async fn sweeping_takes_nothing_that_is_not_over(case) {
        let (kept, running, over) = (case.key_of("kept")?, case.key_of("running")?, case.key_of("over")?);
        let (failed, unknown) = (case.key_of("failed")?, case.key_of("unknown")?);
        for (key, ending) in [(&failed, Ending::Failed), (&unknown, Ending::Unknown)] {
            let claim = new_claim().at_most_once(true);
            case.granted(key, &claim).await?;
            case.end(key, claim.owner, ending).await?;
        }
        let owner = case.owner(&kept).await?;
        case.end(&kept, owner, completed(b"kept")).await?;
        case.owner(&running).await?;
        let short = idem_core::Claim::new(idem_core::Owner::random(), case.short(), case.short());
        case.granted(&over, &short).await?;
        case.end(&over, short.owner, completed(b"over")).await?;
        case.passes(case.short()).await;
        match case.store().sweep(1000).await {
            Err(error) if is_unsupported(&error) => {}
            swept => {
                swept?;
            }
        }
        case.answers(&kept, b"kept").await?;
        same("a running key", matches!(case.record(&running).await?.state, State::Running { .. }), true)?;
        same("what was over", case.load(&over).await?, None)?;
        same("a failure's attempt", case.granted(&failed, &new_claim()).await?.attempt, 2)?;
        same("an unknown outcome", case.claim(&unknown, &new_claim()).await?, Claimed::indeterminate(1))?;
    }
}
