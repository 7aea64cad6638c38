use idem::idempotent;

type Charged = u64;

#[idempotent(key = id)]
async fn charge(id: u64) -> Charged {
    id
}

fn main() {}
