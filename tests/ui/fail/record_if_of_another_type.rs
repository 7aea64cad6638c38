use idem::idempotent;

#[idempotent(key = id, record_if = String::is_empty)]
async fn charge(id: u64) -> Result<u64, idem::Error> {
    Ok(id)
}

fn main() {}
