use idem::idempotent;

#[idempotent(key = amount)]
async fn charge(amount: f64) -> Result<f64, idem::Error> {
    Ok(amount)
}

fn main() {}
