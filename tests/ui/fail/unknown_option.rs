use idem::idempotent;

#[idempotent(key = id, tll = "24h")]
async fn charge(id: u64) -> Result<u64, idem::Error> {
    Ok(id)
}

fn main() {}
