use idem::{idempotent, Error};

#[idempotent(key = id)]
async fn charge(_id: &impl idem::KeyPart) -> Result<u64, Error> {
    Ok(1)
}

#[idempotent(key = 1)]
async fn all(ids: Vec<impl Sized>) -> Result<usize, Error> {
    Ok(ids.len())
}

fn main() {}
