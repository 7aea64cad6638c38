//! The function and the value that are measured: guarded, remembered by others, and by hand.
#![allow(missing_docs, dead_code)]

use std::time::Duration;

use cached::macros::cached;
use idem::idempotent;
use moka::future::Cache;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, thiserror::Error)]
#[error("failed")]
pub struct Declined;

impl From<idem::Error> for Declined {
    fn from(_: idem::Error) -> Self {
        Self
    }
}

#[derive(Debug, Serialize)]
pub struct Order {
    pub id: u64,
    pub tenant: String,
    pub cents: u64,
}

/// About 130 bytes as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receipt {
    pub order: u64,
    pub cents: u64,
    pub currency: String,
    pub gateway: String,
    pub reference: String,
}

/// The same, and not `Clone`: it has to be decoded.
#[derive(Debug, Serialize, Deserialize)]
pub struct Once(pub Receipt);

pub const TTL: Duration = Duration::from_secs(24 * 60 * 60);

pub fn order(id: u64) -> Order {
    Order { id, tenant: "acme".into(), cents: 12_345 }
}

pub fn receipt(order: &Order) -> Receipt {
    Receipt {
        order: order.id,
        cents: order.cents,
        currency: "EUR".into(),
        gateway: "gateway.example".into(),
        reference: "ch_3PqLk2eZvKYlo2C1gFJ8x4Yb".into(),
    }
}

#[idempotent(key = order.id)]
pub async fn guarded(order: &Order) -> Result<Receipt, Declined> {
    Ok(receipt(order))
}

#[idempotent(key = order.id, fingerprint = order)]
pub async fn fingerprinted(order: &Order) -> Result<Receipt, Declined> {
    Ok(receipt(order))
}

#[idempotent(key = order.id)]
pub async fn decoded(order: &Order) -> Result<Once, Declined> {
    Ok(Once(receipt(order)))
}

#[cached(key = "u64", convert = r#"{ order.id }"#)]
pub async fn memoized(order: &Order) -> Result<Receipt, Declined> {
    Ok(receipt(order))
}

pub fn cache<T: Clone + Send + Sync + 'static>() -> Cache<u64, T> {
    Cache::builder().time_to_live(TTL).build()
}

pub async fn by_hand(cache: &Cache<u64, Receipt>, order: &Order) -> Receipt {
    let made = cache.try_get_with(order.id, async { Ok::<_, Declined>(receipt(order)) });
    made.await.expect("it does not fail")
}

pub async fn by_hand_decoded(cache: &Cache<u64, Vec<u8>>, order: &Order) -> Once {
    let bytes = cache.get(&order.id).await.expect("it is there");
    serde_json::from_slice(&bytes).expect("it decodes")
}

/// A result of some size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Blob {
    pub id: u64,
    pub body: String,
}

/// The same, and not `Clone`.
#[derive(Debug, Serialize, Deserialize)]
pub struct OnceBlob(pub Blob);

/// About so many bytes as JSON.
pub fn blob(id: u64, bytes: usize) -> Blob {
    Blob { id, body: "x".repeat(bytes.saturating_sub(20)) }
}

#[idempotent(key = id)]
pub async fn by_id(id: u64) -> Result<Receipt, Declined> {
    Ok(receipt(&order(id)))
}

#[cached(key = "u64", convert = r#"{ id }"#)]
pub async fn memoized_by_id(id: u64) -> Result<Receipt, Declined> {
    Ok(receipt(&order(id)))
}

#[idempotent(key = id)]
pub async fn sized(id: u64, bytes: usize) -> Result<Blob, Declined> {
    Ok(blob(id, bytes))
}

#[cached(key = "u64", convert = r#"{ id }"#)]
pub async fn memoized_sized(id: u64, bytes: usize) -> Result<Blob, Declined> {
    Ok(blob(id, bytes))
}

#[idempotent(key = id)]
pub async fn sized_decoded(id: u64, bytes: usize) -> Result<OnceBlob, Declined> {
    Ok(OnceBlob(blob(id, bytes)))
}

/// In a store of the caller's choice.
#[idempotent(name = "payments.charge", key = id, idem = idem)]
pub async fn elsewhere(idem: idem::Idem, id: u64, bytes: usize) -> Result<Blob, Declined> {
    Ok(blob(id, bytes))
}
