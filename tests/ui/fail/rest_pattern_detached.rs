use idem::idempotent;

struct Order {
    id: u64,
    _permit: String,
}

#[idempotent(key = id, detached)]
async fn charge(Order { id, .. }: Order) -> Result<u64, idem::Error> {
    Ok(id)
}

fn main() {}
