use idem::{idempotent, Error, Idem, MokaStore};

#[idempotent(key = id)]
async fn with_anyhow(id: u64) -> anyhow::Result<u64> {
    anyhow::ensure!(id > 0, "no id");
    Ok("7".parse::<u64>()?)
}

#[idempotent(key = id)]
async fn boxed(id: u64) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    if id == 0 {
        return Err("no id".into());
    }
    Ok("7".parse()?)
}

#[idempotent(key = id, map_err = text)]
async fn mapped(id: u64) -> Result<u64, String> {
    Err(format!("{id} is declined"))
}

fn text(error: Error) -> String {
    error.to_string()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert!(with_anyhow(0).await.is_err());
    assert_eq!(with_anyhow(1).await.unwrap(), 7);
    assert!(boxed(0).await.is_err());
    assert_eq!(boxed(1).await.unwrap(), 7);
    assert_eq!(mapped(1).await.unwrap_err(), "1 is declined");
}
