//! Whoever asked may be gone before the answer: the engine drops verbs at every time-out.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use idem_core::{Finish, Ownership};

use crate::conformance::case::{cases, completed, new_claim, same};

/// Polls a verb so many times and drops it.
async fn dropped<T>(verb: impl Future<Output = T>, polls: usize) {
    let (mut verb, mut left) = (pin!(verb), polls);
    std::future::poll_fn(|cx| {
        left = left.saturating_sub(1);
        match verb.as_mut().poll(cx) {
            Poll::Pending if left > 0 => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
}

cases! {
    async fn a_verb_that_is_dropped_half_way_may_be_sent_again(case) {
        for polls in 1..=5 {
            let (key, claim) = (case.key_of(polls)?, new_claim());
            dropped(case.store().claim(&key, &claim), polls).await;
            case.granted(&key, &claim).await?;
            dropped(case.store().renew(&key, claim.owner), polls).await;
            same("a renewal", case.renew(&key, claim.owner).await?, Ownership::Held)?;
            dropped(case.store().load(&key), polls).await;
            dropped(case.store().finish(&key, &Finish::new(claim.owner, completed(b"done"))), polls).await;
            case.end(&key, claim.owner, completed(b"done")).await?;
            case.answers(&key, b"done").await?;
            same("the attempt", case.record(&key).await?.attempt, 1)?;
        }
    }
}
