//! Functions with findings of every kind, each with the attribute only if the feature `guarded` is on.
#![allow(unexpected_cfgs)]

use std::sync::Arc;

use idem::Error;
use serde::{Deserialize, Serialize};

/// What is recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receipt {
    /// Which.
    pub id: u64,
}

/// What is asked.
#[derive(Debug, Serialize)]
pub struct Order {
    /// Which.
    pub id: u64,
    /// How much.
    pub cents: u64,
}

/// Nothing wrong with it.
#[cfg_attr(feature = "guarded", idem::idempotent(key = order.id, ttl = "24h", fingerprint = order))]
pub async fn charge(order: Order) -> Result<Receipt, Error> {
    Ok(Receipt { id: order.id })
}

#[cfg_attr(feature = "guarded", idem::idempotent(key = id))]
async fn nobody_calls_it(id: u64) -> Result<Receipt, Error> {
    Ok(Receipt { id })
}

/// Arguments and variables that nobody uses.
#[cfg_attr(feature = "guarded", idem::idempotent(key = id))]
pub async fn unused(id: u64, mut other: u64) -> Result<u64, Error> {
    let unused = id;
    let mut never_changed = id;
    Ok(never_changed)
}

/// The same, detached.
#[cfg_attr(feature = "guarded", idem::idempotent(key = id, detached))]
pub async fn unused_detached(id: u64, other: String) -> Result<u64, Error> {
    let unused = 1;
    Ok(id)
}

/// Styles that clippy has opinions on.
#[cfg_attr(feature = "guarded", idem::idempotent(key = "{id}", lease = "10s", wait = "0s", at_most_once))]
pub async fn styles(id: u64, text: String) -> Result<u64, Error> {
    let number = text.len() as u64;
    if number == 0 {
        return Ok(1);
    }
    let first = text.chars().next().unwrap();
    println!("{}", first);
    let x = 5 / number;
    return Ok(x + id);
}

/// A method.
#[derive(Debug)]
pub struct Service {
    base: u64,
}

impl Service {
    /// By reference.
    #[cfg_attr(feature = "guarded", idem::idempotent(name = "lints.by_ref", key = (self.base, id)))]
    pub async fn by_ref(&self, id: u64) -> Result<u64, Error> {
        Ok(self.base + id)
    }

    /// By mutable reference, which it does not need.
    #[cfg_attr(feature = "guarded", idem::idempotent(name = "lints.by_mut", key = id))]
    pub async fn by_mut(&mut self, id: u64) -> Result<u64, Error> {
        Ok(self.base + id)
    }

    /// Shared and detached.
    #[cfg_attr(feature = "guarded", idem::idempotent(name = "lints.by_arc", key = id, detached))]
    pub async fn by_arc(self: Arc<Self>, id: u64) -> Result<u64, Error> {
        Ok(self.base + id)
    }
}

/// A trait.
#[async_trait::async_trait]
pub trait Charge {
    /// Charges.
    async fn charge(&self, order: Order) -> Result<u64, Error>;
}

#[async_trait::async_trait]
impl Charge for Service {
    #[cfg_attr(feature = "guarded", idem::idempotent(name = "lints.trait", key = order.id))]
    async fn charge(&self, order: Order) -> Result<u64, Error> {
        let unused = order.cents;
        Ok(self.base)
    }
}

/// Asks what became of it.
#[cfg_attr(feature = "guarded", idem::idempotent(key = id, reconcile = found(id), record_if = is_paid))]
pub async fn reconciled(id: u64) -> Result<u64, Error> {
    Ok(id)
}

/// What is known.
pub async fn found(id: u64) -> Result<Option<u64>, Error> {
    Ok(Some(id))
}

/// Whether it was paid.
pub const fn is_paid(cents: &u64) -> bool {
    *cents > 0
}

/// Whoever calls does well to look at the answer.
pub async fn careless() {
    charge(Order { id: 1, cents: 2 }).await;
    let _ = nobody_listens(1);
    charge(Order { id: 1, cents: 2 });
}

/// Its future.
#[must_use = "it is money"]
#[cfg_attr(feature = "guarded", idem::idempotent(key = id))]
pub async fn nobody_listens(id: u64) -> Result<u64, Error> {
    Ok(id)
}

/// Items first, as it should be.
#[cfg_attr(feature = "guarded", idem::idempotent(key = id))]
pub async fn items_first(id: u64) -> Result<u64, Error> {
    use std::num::NonZeroU64;
    const NONE: u64 = 7;
    Ok(NonZeroU64::new(id).map_or(NONE, u64::from))
}

/// The same, detached.
#[cfg_attr(feature = "guarded", idem::idempotent(key = id, detached))]
pub async fn items_first_detached(id: u64) -> Result<u64, Error> {
    const NONE: u64 = 7;
    Ok(if id == 0 { NONE } else { id })
}

/// Arguments that say that nobody uses them.
#[cfg_attr(feature = "guarded", idem::idempotent(key = id, detached))]
pub async fn underscored_detached(id: u64, _permit: String, _: u64) -> Result<u64, Error> {
    Ok(id)
}

/// A future that does not borrow all of its arguments.
#[cfg_attr(feature = "guarded", idem::idempotent(key = id))]
pub fn made(id: &u64) -> impl std::future::Future<Output = Result<u64, Error>> + Send + use<'_> {
    let id = *id;
    async move { Ok(id) }
}
