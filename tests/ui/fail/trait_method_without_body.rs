use idem::idempotent;

trait Service {
    #[idempotent(name = "charge", key = id)]
    async fn charge(&self, id: u64) -> Result<u64, idem::Error>;
}

fn main() {}
