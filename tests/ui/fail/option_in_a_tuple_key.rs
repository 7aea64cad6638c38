use idem::idempotent;

#[idempotent(key = (tenant, id))]
async fn charge(tenant: Option<String>, id: u64) -> Result<u64, idem::Error> {
    let _ = tenant;
    Ok(id)
}

fn main() {}
