use idem::{idempotent, Error, Idem, MokaStore};

#[idempotent(key = n)]
async fn count(n: u64) -> Result<u64, Error> {
    if n == 0 {
        return Ok(0);
    }
    Ok(Box::pin(count(n - 1)).await? + 1)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!(count(5).await.unwrap(), 5);
}
