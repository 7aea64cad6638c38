//! Keeping the key while the body runs.

use std::sync::Arc;

use super::flight::Slot;
use super::wait::{self, Backoff};
use super::Engine;
use crate::clock::{later, sleep_until, Instant};
use crate::operation::Operation;
use crate::record::Owner;
use crate::transition::Held;

/// A granted key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    pub(super) owner: Owner,
    /// When the claim was sent. What this process believes of its lease counts from before the last successful send.
    pub(super) sent: Instant,
}

/// Renews the lease for as long as it is polled and the key is ours.
///
/// Every third of the lease it asks; an error is tried again with growing pauses. It returns when somebody else has the
/// key, for then there is nothing left to renew.
pub(super) async fn renew(engine: Arc<Engine>, op: Operation, lease: Lease, slot: Arc<Slot>) {
    let third = op.lease / 3;
    let mut next = later(lease.sent, third);
    let mut backoff = Backoff::new();
    loop {
        sleep_until(next).await;
        let sent = Instant::now();
        match wait::answer(engine.store.renew(&op.key, lease.owner), op.store_timeout).await {
            Ok(Held::Held) => {
                slot.renewed(later(sent, op.lease));
                next = later(sent, third);
                backoff = Backoff::new();
            }
            Ok(Held::Lost) => return,
            Err(_) => next = later(Instant::now(), backoff.next()),
        }
    }
}
