use idem::idempotent;

#[derive(Debug)]
struct Transaction;

#[idempotent(key = id, tx = tx, record_err)]
async fn charge(tx: &mut Transaction, id: u64) -> Result<u64, idem::Error> {
    let _ = tx;
    Ok(id)
}

fn main() {}
