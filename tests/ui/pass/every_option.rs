use idem::{idempotent, Error, Idem, MokaStore};
use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
enum Fail {
    Final,
    Timeout,
    #[serde(skip)]
    Ours(String),
}

impl Fail {
    fn of(error: Error) -> Self {
        Self::Ours(error.to_string())
    }

    fn is_final(&self) -> bool {
        matches!(self, Self::Final)
    }

    fn leaves_it_open(&self) -> bool {
        matches!(self, Self::Timeout)
    }
}

fn is_paid(receipt: &u64) -> bool {
    *receipt > 0
}

async fn ask(id: &str) -> Result<Option<u64>, Fail> {
    Ok(id.parse().ok())
}

#[idempotent(
    name = "every.option",
    key = (tenant, "{tenant}:{id}", id.len()),
    ttl = Duration::from_secs(60),
    fingerprint = (&tenant, id),
    lease = "1m30s",
    wait = "0s",
    record_if = is_paid,
    record_err = Fail::is_final,
    unknown_err = Fail::leaves_it_open,
    at_most_once,
    reconcile = ask(&id),
    detached,
    map_err = Fail::of,
    idem = idem,
    crate = idem,
)]
async fn charge(idem: Idem, tenant: u8, id: String) -> Result<u64, Fail> {
    let _ = idem;
    match &*id {
        "final" => Err(Fail::Final),
        "timeout" => Err(Fail::Timeout),
        _ => Ok(u64::from(tenant)),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    let idem = Idem::new(MokaStore::new());
    for _ in 0..2 {
        assert_eq!(charge(idem.clone(), 7, "x".into()).await.unwrap(), 7);
        assert!(matches!(charge(idem.clone(), 7, "final".into()).await, Err(Fail::Final)));
    }
    assert!(matches!(charge(idem.clone(), 7, "timeout".into()).await, Err(Fail::Timeout)));
    // Asked, and it did not happen.
    assert!(matches!(charge(idem, 7, "timeout".into()).await, Err(Fail::Timeout)));
}
