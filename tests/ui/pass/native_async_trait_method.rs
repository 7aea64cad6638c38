use idem::{idempotent, Error, Idem, MokaStore};

#[allow(async_fn_in_trait)]
trait Charge {
    async fn charge(&self, id: u64) -> Result<u64, Error>;

    #[idempotent(name = "default", key = id)]
    async fn with_default(&self, id: u64) -> Result<u64, Error> {
        Ok(self.charge(id).await? + 1)
    }
}

struct Gateway(u64);

impl Charge for Gateway {
    #[idempotent(name = "charge", key = id)]
    async fn charge(&self, id: u64) -> Result<u64, Error> {
        Ok(self.0 + id)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!(Gateway(1).charge(7).await.unwrap(), 8);
    assert_eq!(Gateway(2).charge(7).await.unwrap(), 8);
    assert_eq!(Gateway(2).with_default(7).await.unwrap(), 9);
}
