use idem::idempotent;

#[idempotent(key = id)]
async fn charge(id: u64, _value: impl Send) -> Result<u64, idem::Error> {
    Ok(id)
}

fn main() {}
