use idem::{idempotent, Error, Idem, MokaStore};
use std::cell::Cell;

fn is_send<T: Send>(value: T) -> T {
    value
}

#[idempotent(key = id)]
async fn plain(id: String) -> Result<u64, Error> {
    tokio::task::yield_now().await;
    Ok(id.len() as u64)
}

/// An argument that is not `Sync`.
#[idempotent(key = 1)]
async fn cell(cell: Cell<u64>) -> Result<u64, Error> {
    tokio::task::yield_now().await;
    Ok(cell.get())
}

#[idempotent(key = id, reconcile = ask(&id))]
async fn asks(id: String) -> Result<u64, Error> {
    Ok(id.len() as u64)
}

async fn ask(_: &str) -> Result<Option<u64>, Error> {
    tokio::task::yield_now().await;
    Ok(None)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!(tokio::spawn(plain("abc".into())).await.unwrap().unwrap(), 3);
    assert_eq!(is_send(cell(Cell::new(7))).await.unwrap(), 7);
    assert_eq!(tokio::spawn(asks("ab".into())).await.unwrap().unwrap(), 2);
}
