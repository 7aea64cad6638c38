use idem::idempotent;

#[idempotent(key = name)]
async fn name(name: &str) -> Result<&str, idem::Error> {
    Ok(name)
}

fn main() {}
