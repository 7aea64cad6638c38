use idem::idempotent;

#[idempotent(kye = id, ttl = "1 day", lease = "0s", detached = true, ttl = "1h")]
async fn charge(id: u64) -> Result<u64, idem::Error> {
    Ok(id)
}

#[allow(dead_code)]
async fn caller() -> Result<u64, idem::Error> {
    charge(7).await
}

fn main() {}
