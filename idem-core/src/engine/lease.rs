//! Keeping the key, from the body's first pause until its record is written.

use std::fmt;
use std::future::{poll_fn, Future};
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::Context;

use super::call::lost;
use super::flight::Slot;
use super::observe::{Happened, Watch};
use super::spawn::Task;
use super::wait::{self, Backoff};
use super::Engine;
use crate::clock::{later, sleep_until, Instant};
use crate::context::Run;
use crate::operation::Operation;
use crate::record::Owner;
use crate::transition::Ownership;

/// A granted key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    pub(super) owner: Owner,
    /// When the claim was sent. What this process believes of its lease counts from before the last successful send.
    pub(super) sent: Instant,
    pub(super) fence: u64,
    /// Whether the attempt before this one ended with its outcome unknown.
    pub(super) after_unknown: bool,
}

/// The renewal of a lease. It runs beside the run and not without it.
pub(super) enum Renewal {
    /// Made at the first pause: most bodies of a microsecond need none.
    NotYet,
    Going(Task),
    /// The key is not to be renewed, or is somebody else's. The body goes on all the same, and its ending finds out.
    Over,
}

impl Renewal {
    pub(super) fn poll(&mut self, make: impl FnOnce() -> Option<Task>, cx: &mut Context<'_>) {
        if let Self::NotYet = self {
            *self = make().map_or(Self::Over, Self::Going);
        }
        if let Self::Going(renewal) = self {
            if renewal.as_mut().poll(cx).is_ready() {
                *self = Self::Over;
            }
        }
    }

    /// What `work` comes to, the lease renewed meanwhile.
    pub(super) async fn beside<T>(
        &mut self,
        mut make: impl FnMut() -> Option<Task>,
        mut work: impl Future<Output = T> + Unpin,
    ) -> T {
        poll_fn(|cx| {
            let output = Pin::new(&mut work).poll(cx);
            if output.is_pending() {
                self.poll(&mut make, cx);
            }
            output
        })
        .await
    }
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotYet => "NotYet",
            Self::Going(_) => "Going",
            Self::Over => "Over",
        })
    }
}

/// Renews the lease for as long as it is polled and the key is ours.
///
/// Every third of the lease it asks; an error is tried again with growing pauses. It returns when somebody else has the
/// key, for then there is nothing left to renew.
pub(super) async fn renew(
    engine: Arc<Engine>,
    op: Operation,
    run: Arc<Run>,
    lease: Lease,
    slot: Arc<Slot>,
    watch: Watch,
) {
    let third = op.lease / 3;
    let mut next = later(lease.sent, third);
    let mut until = later(lease.sent, op.lease);
    let mut backoff = Backoff::waiting();
    loop {
        sleep_until(next).await;
        let sent = Instant::now();
        let unpolled = sent.saturating_duration_since(next);
        if unpolled > third {
            watch.happened(Happened::Starved(unpolled));
        }
        // The store's own futures may take part in the body's cooperative budget, which a busy body has spent.
        let answer = tokio::task::unconstrained(async { engine.store.renew(&op.key, lease.owner).await });
        match wait::answer(pin!(answer), op.store_timeout).await {
            Ok(Ownership::Held) => {
                until = later(sent, op.lease);
                slot.renewed(until);
                next = later(sent, third);
                backoff = Backoff::waiting();
            }
            // After an ending that was applied and not answered, there is no lease either.
            Ok(Ownership::Lost) if run.has_body_ended() => return,
            Ok(Ownership::Lost) => return lost(&run, &watch),
            Err(error) => {
                watch.store_failed("renew", &error);
                let now = Instant::now();
                if until <= now {
                    // As far as this process knows. The store may still have it so, and may be told again.
                    lost(&run, &watch);
                }
                next = later(now, backoff.next());
            }
        }
    }
}
