use std::future::Future;

use idem::idempotent;

#[idempotent(key = id)]
fn charge(id: u64) -> impl Future<Output = u64> {
    async move { id }
}

#[idempotent(key = id)]
fn not_a_future(id: u64) -> Result<u64, idem::Error> {
    Ok(id)
}

fn main() {}
