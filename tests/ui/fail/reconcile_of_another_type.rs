use idem::idempotent;

async fn find(id: u64) -> Result<Option<String>, idem::Error> {
    Ok(Some(id.to_string()))
}

#[idempotent(key = id, reconcile = find(id))]
async fn charge(id: u64) -> Result<u64, idem::Error> {
    Ok(id)
}

fn main() {}
