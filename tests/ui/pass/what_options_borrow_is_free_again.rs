use idem::{idempotent, Error, Idem, MokaStore};
use std::cell::RefCell;
use std::sync::{Arc, Mutex};

/// Each locks for itself, and what it locked is not held while the future is asked.
#[idempotent(
    key = state.lock().unwrap().len(),
    fingerprint = state.lock().unwrap().as_str(),
    reconcile = ask(&state),
    wait = std::time::Duration::from_secs(state.lock().unwrap().len() as u64),
)]
async fn locks(state: Arc<Mutex<String>>) -> Result<usize, Error> {
    Ok(state.lock().unwrap().len())
}

async fn ask(_: &Mutex<String>) -> Result<Option<usize>, Error> {
    tokio::task::yield_now().await;
    Ok(None)
}

#[idempotent(idem = idem, key = state.borrow_mut().pop(), fingerprint = state.borrow_mut().pop())]
async fn idem_first(idem: &Idem, state: &RefCell<Vec<u8>>) -> Result<u8, Error> {
    Ok(2)
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let idem = Idem::new(MokaStore::new());
    idem::install(idem.clone()).unwrap();
    assert_eq!(is_send(locks(Arc::new(Mutex::new("abc".into())))).await.unwrap(), 3);
    for _ in 0..2 {
        assert_eq!(idem_first(&idem, &RefCell::new(vec![1, 2])).await.unwrap(), 2);
    }
}
