use idem::{idempotent, Error, Idem, MokaStore};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Receipt(u64);

#[idempotent(key = id)]
async fn charge(id: u64) -> Result<Receipt, Error> {
    Ok(Receipt(id))
}

#[idempotent(key = id)]
async fn unit(id: u64) -> Result<(), Error> {
    let _ = id;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!(charge(7).await.unwrap(), charge(7).await.unwrap());
    unit(1).await.unwrap();
    unit(1).await.unwrap();
}
