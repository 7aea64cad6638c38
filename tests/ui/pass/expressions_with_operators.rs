#![deny(warnings)]
use idem::{idempotent, Error, Idem, MokaStore};

#[derive(serde::Serialize)]
struct Content {
    cents: u64,
}

#[idempotent(key = id as u64, fingerprint = cents == 5)]
async fn operators(id: u32, cents: u64) -> Result<u64, Error> {
    Ok(u64::from(id) + cents)
}

#[idempotent(key = tenant.clone() + "/orders", fingerprint = Content { cents })]
async fn literals(tenant: String, cents: u64) -> Result<u64, Error> {
    Ok(tenant.len() as u64 + cents)
}

#[idempotent(key = (Content { cents }.cents, cents as u8 + 1, cents == 1), fingerprint = (Content { cents }))]
async fn in_a_tuple(cents: u64) -> Result<u64, Error> {
    Ok(cents)
}

#[idempotent(key = if id > 1 { "many" } else { "one" }, fingerprint = -i64::from(id))]
async fn blocks(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    for _ in 0..2 {
        assert_eq!(operators(1, 5).await.unwrap(), 6);
        assert_eq!(literals("a".into(), 1).await.unwrap(), 2);
        assert_eq!(in_a_tuple(1).await.unwrap(), 1);
        assert_eq!(blocks(1).await.unwrap(), 1);
    }
    assert!(matches!(literals("a".into(), 2).await, Err(Error::KeyReused { .. })));
    assert!(matches!(operators(1, 6).await, Err(Error::KeyReused { .. })));
}
