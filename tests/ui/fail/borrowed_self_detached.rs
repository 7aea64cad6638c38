use idem::idempotent;

struct Service;

impl Service {
    #[idempotent(name = "charge", key = id, detached)]
    async fn charge(&self, id: u64) -> Result<u64, idem::Error> {
        Ok(id)
    }
}

fn main() {}
