use idem::{idempotent, Error, Idem, MokaStore};
use std::rc::Rc;

#[idempotent(key = 1)]
async fn local() -> Result<u64, Error> {
    let here = Rc::new(7);
    tokio::task::yield_now().await;
    Ok(*here)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!(local().await.unwrap(), 7);
}
