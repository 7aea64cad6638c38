use idem::{idempotent, Error, Idem, MokaStore};

async fn one() -> u64 {
    #[idempotent(name = "one", key = 1)]
    async fn charge() -> Result<u64, Error> {
        Ok(1)
    }
    charge().await.unwrap()
}

async fn two() -> u64 {
    #[idempotent(name = "two", key = 1)]
    async fn charge() -> Result<u64, Error> {
        Ok(2)
    }
    charge().await.unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!((one().await, two().await), (1, 2));
}
