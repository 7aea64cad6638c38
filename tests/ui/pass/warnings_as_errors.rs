#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unused_qualifications, elided_lifetimes_in_paths)]
#![forbid(unsafe_code)]
//! No warning comes from the expansion.

use idem::{idempotent, Error, Idem, MokaStore};

/// Documented.
#[idempotent(key = id, ttl = "1h", lease = "10s", wait = "1s", fingerprint = id, at_most_once)]
pub async fn charge(id: u64) -> Result<u64, Error> {
    Ok(id)
}

/// Documented.
#[idempotent(key = "{id}", detached)]
pub async fn detached(id: u64, _other: String) -> Result<u64, Error> {
    Ok(id)
}

/// An argument that only an option uses.
#[idempotent(key = id, detached, reconcile = async { Ok(None) })]
pub async fn only_the_key(id: u64) -> Result<u64, Error> {
    Ok(7)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!((charge(7).await.unwrap(), detached(7, String::new()).await.unwrap()), (7, 7));
    assert_eq!(only_the_key(1).await.unwrap(), 7);
}
