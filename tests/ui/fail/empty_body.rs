use idem::{idempotent, Error};

#[idempotent(key = id)]
async fn charge(id: u64) -> Result<u64, Error> {}

fn main() {}
