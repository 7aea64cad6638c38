use idem::idempotent;

#[idempotent(key = id, idem = id)]
async fn charge(id: u64) -> Result<u64, idem::Error> {
    Ok(id)
}

fn main() {}
