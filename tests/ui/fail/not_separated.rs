use idem::{idempotent, Error};

#[idempotent(key = id ttl = "1h", name = NAME, lease = , detached(true), leasee = "1s")]
async fn charge(id: u64) -> Result<u64, Error> {
    Ok(id)
}

fn main() {}
