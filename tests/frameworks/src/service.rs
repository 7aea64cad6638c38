//! The service function, the same in every framework. It knows none of them, and finds its `Idem` in the scope of its caller.

use std::sync::Arc;

use idem::idempotent;
use serde::{Deserialize, Serialize};

use crate::till::Till;

/// What a customer wants to pay for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What the caller calls it: the same in every retry.
    pub id: String,
    /// What it costs.
    pub cents: u64,
}

/// What the customer gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The order's id.
    pub order: String,
    /// What was paid.
    pub cents: u64,
    /// How many charges the till has seen. Another run of the body would have another number.
    pub number: u64,
}

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
pub enum ChargeError {
    /// The customer has less than that.
    #[error("card declined")]
    Declined,
    /// The call was refused before the body, or its result cannot be had.
    #[error(transparent)]
    Idempotency(#[from] idem::Error),
}

/// What every customer has.
const BALANCE: u64 = 100_000;

/// Takes the money. A duplicate does not wait here, so that the tests see what it is told.
#[idempotent(name = "payments.charge", key = order.id, ttl = "24h", fingerprint = order, wait = "0s", detached)]
pub async fn charge(till: Arc<Till>, order: Order) -> Result<Receipt, ChargeError> {
    let number = till.ring().await;
    if order.cents > BALANCE {
        return Err(ChargeError::Declined);
    }
    Ok(Receipt { order: order.id, cents: order.cents, number })
}
