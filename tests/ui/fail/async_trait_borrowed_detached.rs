use idem::idempotent;

#[async_trait::async_trait]
trait Charge {
    async fn charge(&self, id: &str) -> Result<u64, idem::Error>;
}

struct Gateway;

#[async_trait::async_trait]
impl Charge for Gateway {
    #[idempotent(name = "charge", key = id, detached)]
    async fn charge(&self, id: &str) -> Result<u64, idem::Error> {
        Ok(id.len() as u64)
    }
}

fn main() {}
