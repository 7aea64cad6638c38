use idem::{idempotent, Error, Idem, MokaStore};

trait Paid {
    fn is_paid(&self) -> bool;
}

impl Paid for u64 {
    fn is_paid(&self) -> bool {
        *self > 0
    }
}

#[idempotent(key = id, record_if = <u64 as Paid>::is_paid)]
async fn charge(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!(charge(7).await.unwrap(), charge(7).await.unwrap());
}
