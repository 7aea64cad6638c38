use idem::idempotent;

#[idempotent(key = id, detached)]
async fn charge(ref id: u64) -> Result<u64, idem::Error> {
    Ok(*id)
}

fn main() {}
