use idem::{idempotent, Error, Idem, MokaStore};

#[idempotent(key = id)]
async unsafe fn raw(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!(unsafe { raw(7) }.await.unwrap(), 7);
}
