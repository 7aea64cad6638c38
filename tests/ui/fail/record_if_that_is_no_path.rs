use idem::idempotent;

#[idempotent(key = id, record_if = |_| true)]
async fn charge(id: u64) -> Result<u64, idem::Error> {
    Ok(id)
}

fn main() {}
