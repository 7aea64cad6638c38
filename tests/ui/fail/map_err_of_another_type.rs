use idem::idempotent;

#[derive(Debug)]
struct Declined;

fn convert(_: idem::Error) -> String {
    String::new()
}

#[idempotent(key = id, map_err = convert)]
async fn charge(id: u64) -> Result<u64, Declined> {
    Ok(id)
}

fn main() {}
