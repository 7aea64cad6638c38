use idem::{idempotent, Error, Idem, MokaStore};

#[idempotent(key = r#type)]
async fn r#match(r#type: u64) -> Result<u64, Error> {
    Ok(r#type)
}

#[idempotent(key = "{r#type}", detached)]
async fn r#loop(r#type: u64) -> Result<u64, Error> {
    Ok(r#type)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!((r#match(7).await.unwrap(), r#loop(7).await.unwrap()), (7, 7));
}
