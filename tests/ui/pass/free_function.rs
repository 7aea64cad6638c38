use idem::{idempotent, Error, Idem, MokaStore};

#[idempotent(key = id)]
async fn charge(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!(charge(7).await.unwrap(), charge(7).await.unwrap());
}
