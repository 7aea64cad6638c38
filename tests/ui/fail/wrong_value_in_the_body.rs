use idem::idempotent;

#[idempotent(key = id)]
async fn charge(id: u64) -> Result<u64, idem::Error> {
    if id == 0 {
        return "none";
    }
    Ok(id)
}

fn main() {}
