use idem::{idempotent, Error, Idem, MokaStore};

mod deps {
    pub use idem as safe;
}

#[deps::safe::idempotent(key = id, crate = deps::safe)]
async fn charge(id: u64) -> Result<u64, deps::safe::Error> {
    Ok(id)
}

#[idempotent(key = id, crate = crate::deps::safe)]
async fn absolute(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!((charge(7).await.unwrap(), absolute(8).await.unwrap()), (7, 8));
}
