use idem::idempotent;

#[async_trait::async_trait]
trait Charge {
    async fn charge(&self, id: u64) -> Result<u64, idem::Error>;
}

struct Gateway;

#[async_trait::async_trait]
impl Charge for Gateway {
    #[idempotent(key = "{order.id}")]
    async fn charge(&self, id: u64) -> Result<u64, idem::Error> {
        Ok(id)
    }
}

fn main() {}
