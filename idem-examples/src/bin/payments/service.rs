//! The service function, once with the attribute and once without. It knows nothing of HTTP.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use idem::{idempotent, with_outcome, Kind};
use serde::{Deserialize, Serialize};

use crate::gateway::{Gateway, Unavailable};
use crate::orders::Order;

/// What the customer gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) order: String,
    pub(crate) cents: u64,
    pub(crate) number: u64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ChargeError {
    #[error(transparent)]
    Gateway(#[from] Unavailable),
    #[error(transparent)]
    Idempotency(#[from] idem::Error),
}

/// What the service counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) bodies: AtomicU64,
    pub(crate) attached: AtomicU64,
    pub(crate) replayed: AtomicU64,
    pub(crate) refused: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) tally: Arc<Tally>,
    unguarded: bool,
}

/// The whole of it: one attribute on the function that moves the money.
#[idempotent(name = "payments.charge", key = order.id, ttl = "24h", fingerprint = order, detached)]
async fn charge(gateway: Arc<Gateway>, tally: Arc<Tally>, order: Order) -> Result<Receipt, ChargeError> {
    capture(&gateway, &tally, order).await
}

async fn capture(gateway: &Gateway, tally: &Tally, order: Order) -> Result<Receipt, ChargeError> {
    let number = tally.bodies.fetch_add(1, Ordering::SeqCst) + 1;
    gateway.capture(&order).await?;
    Ok(Receipt { order: order.id, cents: order.cents, number })
}

impl Service {
    pub(crate) fn new(gateway: Gateway, unguarded: bool) -> Self {
        Self { gateway: Arc::new(gateway), tally: Arc::default(), unguarded }
    }

    /// Charges an order, and says where the answer came from.
    pub(crate) async fn charge(&self, order: Order) -> (Result<Receipt, ChargeError>, Option<Kind>) {
        if self.unguarded {
            return (capture(&self.gateway, &self.tally, order).await, None);
        }
        let call = charge(Arc::clone(&self.gateway), Arc::clone(&self.tally), order);
        let (answer, kind) = with_outcome(call).await;
        match (&answer, kind) {
            (Err(ChargeError::Idempotency(_)), _) => self.tally.refused.fetch_add(1, Ordering::SeqCst),
            (_, Some(Kind::Attached)) => self.tally.attached.fetch_add(1, Ordering::SeqCst),
            (_, Some(Kind::Replayed)) => self.tally.replayed.fetch_add(1, Ordering::SeqCst),
            _ => 0,
        };
        (answer, kind)
    }
}
