//! Renewing the lease, from the body's first pause until the outcome is recorded.

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

/// The renewals of one lease: one each third of it, and one after a growing pause when the store fails. They go on for as long
/// as the call polls them; the call acts on what they find.
pub(super) struct Heartbeat {
    next: Instant,
    renewal: Option<Pin<Box<dyn Future<Output = Beat> + Send>>>,
    /// Made at the first failure.
    backoff: Option<Backoff>,
    /// The key is another call's: there is nothing left to renew.
    is_over: bool,
}

/// What one renewal found.
pub(super) struct Beat {
    pub(super) sent: Instant,
    pub(super) answer: Result<Ownership, StoreError>,
    /// How long after its time it was sent, because the call was not polled.
    pub(super) late: Duration,
}

impl Heartbeat {
    /// For a lease whose claim was sent at `sent`.
    pub(super) fn new(sent: Instant, lease: Duration) -> Self {
        Self { next: later(sent, lease / 3), renewal: None, backoff: None, is_over: false }
    }

    /// Goes on in another task, perhaps on another runtime: what waits for the one before is made again.
    pub(super) fn restart(&mut self) {
        (self.renewal, self.is_over) = (None, false);
    }

    /// Completes with the next renewal's answer. The renewal is made at the first poll: most bodies never pause.
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
    // A store's client may take part in the body's cooperative budget, which a busy body has spent.
    let answer = tokio::task::unconstrained(async { store.renew(&key, owner).await });
    let answer = retry::answer(pin!(answer), limit).await;
    Beat { sent, answer, late: sent.saturating_duration_since(at) }
}
