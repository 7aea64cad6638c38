use idem::idempotent;

struct Service;

impl Service {
    #[idempotent(key = id)]
    async fn charge(&self, id: u64) -> Result<u64, idem::Error> {
        Ok(id)
    }
}

fn main() {}
