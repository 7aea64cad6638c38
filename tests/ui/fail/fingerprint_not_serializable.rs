use idem::idempotent;

struct Order {
    id: u64,
}

#[idempotent(key = order.id, fingerprint = order)]
async fn charge(order: Order) -> Result<u64, idem::Error> {
    Ok(order.id)
}

fn main() {}
