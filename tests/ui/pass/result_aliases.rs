use idem::{idempotent, Error, Idem, MokaStore};

type Answer<T> = Result<T, Error>;
type Exactly = std::result::Result<u64, Error>;

mod inner {
    pub type Result<T, E = idem::Error> = std::result::Result<T, E>;
}

#[idempotent(key = id)]
async fn alias(id: u64) -> Answer<u64> {
    Ok(id)
}

#[idempotent(key = id)]
async fn without_parameters(id: u64) -> Exactly {
    Ok(id)
}

#[idempotent(key = id)]
async fn defaulted(id: u64) -> inner::Result<u64> {
    Ok(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!((alias(1).await.unwrap(), without_parameters(2).await.unwrap(), defaulted(3).await.unwrap()), (1, 2, 3));
}
