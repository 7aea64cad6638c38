//! Renews the lease, from the body's first `Pending` until the outcome is recorded.

use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use crate::clock::{later, sleep_until, Instant};
use crate::error::StoreError;
use crate::key::Key;
use crate::operation::Operation;
use crate::record::Owner;
use crate::retry::{self, Backoff};
use crate::store::Store;
use crate::transition::Ownership;

/// The renewals of one lease: one after each third of the lease, or after a growing pause if the store failed. They are sent
/// only while the call polls them, and the call acts on the answers.
pub(super) struct Heartbeat {
    next: Instant,
    renewal: Option<Pin<Box<dyn Future<Output = Beat> + Send>>>,
    /// Made at the first failure.
    backoff: Option<Backoff>,
    /// The store answered `Lost`: there is nothing left to renew.
    is_over: bool,
}

/// The answer to one renewal.
pub(super) struct Beat {
    pub(super) sent: Instant,
    pub(super) answer: Result<Ownership, StoreError>,
    /// How long after its due time the renewal was sent, because the call was not polled.
    pub(super) late: Duration,
}

impl Heartbeat {
    /// Makes the renewals of a lease. Its claim was sent at `sent`.
    pub(super) fn new(sent: Instant, lease: Duration) -> Self {
        Self { next: later(sent, lease / 3), renewal: None, backoff: None, is_over: false }
    }

    /// The call continues in another task, perhaps on another runtime. The renewal under way uses the timers of the old
    /// runtime, so it is dropped and made again.
    pub(super) fn restart(&mut self) {
        (self.renewal, self.is_over) = (None, false);
    }

    /// Completes with the next renewal's answer. Makes the renewal at the first poll, because most bodies never return
    /// `Pending`.
    pub(super) fn poll(
        &mut self,
        store: &Arc<dyn Store>,
        op: &Operation,
        owner: Owner,
        cx: &mut Context<'_>,
    ) -> Poll<Beat> {
        if self.is_over {
            return Poll::Pending;
        }
        let renewal = match &mut self.renewal {
            Some(renewal) => renewal,
            none => none.insert(Box::pin(renew(Arc::clone(store), op.key.clone(), owner, self.next, op.store_timeout))),
        };
        let beat = ready!(renewal.as_mut().poll(cx));
        self.renewal = None;
        match beat.answer {
            Ok(Ownership::Held) => {
                self.next = later(beat.sent, op.lease / 3);
                self.backoff = None;
            }
            Ok(Ownership::Lost) => self.is_over = true,
            Err(_) => {
                let backoff = self.backoff.get_or_insert_with(Backoff::polling);
                self.next = later(Instant::now(), backoff.next());
            }
        }
        Poll::Ready(beat)
    }
}

async fn renew(store: Arc<dyn Store>, key: Key, owner: Owner, at: Instant, limit: Duration) -> Beat {
    sleep_until(at).await;
    let sent = Instant::now();
    // `unconstrained`, because a busy body may have spent the task's cooperative budget in tokio. A store's client that
    // takes part in the budget could then not send the request.
    let answer = tokio::task::unconstrained(async { store.renew(&key, owner).await });
    let answer = retry::answer(pin!(answer), limit).await;
    Beat { sent, answer, late: sent.saturating_duration_since(at) }
}
