use idem::idempotent;

#[idempotent(key = id)]
async fn charge(id: u64) -> Result<impl Sized, idem::Error> {
    Ok(id)
}

fn main() {}
