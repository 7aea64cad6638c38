use idem::idempotent;

#[idempotent(key = "")]
async fn charge(id: u64) -> Result<u64, idem::Error> {
    Ok(id)
}

fn main() {}
