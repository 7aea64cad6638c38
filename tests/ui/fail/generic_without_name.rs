use idem::idempotent;

#[idempotent(key = id)]
async fn charge<T>(id: u64, _value: T) -> Result<u64, idem::Error> {
    Ok(id)
}

fn main() {}
