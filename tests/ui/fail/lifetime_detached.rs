use std::borrow::Cow;

use idem::idempotent;

#[idempotent(key = id, detached)]
async fn charge(id: Cow<'_, str>) -> Result<u64, idem::Error> {
    Ok(id.len() as u64)
}

fn main() {}
