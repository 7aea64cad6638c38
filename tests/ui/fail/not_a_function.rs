use idem::idempotent;

#[idempotent(key = id)]
struct Charge;

fn main() {}
