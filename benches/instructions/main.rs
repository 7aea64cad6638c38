//! `instructions CASE CALLS`: so many calls of one kind, one after another, for valgrind to count: see `scripts/instructions`.

#[path = "../lib/subject.rs"]
mod subject;

use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;

use idem::{idempotent, Idem, MokaStore};
use subject::{by_hand, by_hand_decoded, cache, decoded, fingerprinted, guarded, memoized, order, receipt};
use subject::{Declined, Once, Receipt};
use tokio::sync::watch;

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(case), Some(calls)) = (args.next(), args.next().and_then(|calls| calls.parse().ok())) else {
        eprintln!("instructions CASE CALLS");
        std::process::exit(2);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    idem::install(Idem::new(MokaStore::new())).expect("installed once");
    runtime.block_on(run(&case, calls));
}

/// A fresh run has a key of its own each time, all others the same key.
async fn run(case: &str, calls: u64) {
    macro_rules! repeat {
        ($order:ident, $n:pat => $key:expr, $call:expr) => {{
            let mut $order = order(0);
            for $n in 0..calls {
                $order.id = $key;
                let _ = black_box($call.await);
            }
        }};
    }
    let (receipts, bytes) = (cache(), cache());
    match case {
        "replay" => repeat!(order, _ => 1, guarded(&order)),
        "replay, fingerprint" => repeat!(order, _ => 1, fingerprinted(&order)),
        "replay, decoded" => repeat!(order, _ => 1, decoded(&order)),
        "fresh" => repeat!(order, n => n, guarded(&order)),
        "fresh, fingerprint" => repeat!(order, n => n, fingerprinted(&order)),
        "moka replay" => repeat!(order, _ => 1, by_hand(&receipts, &order)),
        "moka replay, decoded" => {
            let once = Once(receipt(&order(1)));
            bytes.insert(1, serde_json::to_vec(&once).expect("it encodes")).await;
            repeat!(order, _ => 1, by_hand_decoded(&bytes, &order));
        }
        "moka fresh" => repeat!(order, n => n, by_hand(&receipts, &order)),
        "cached replay" => repeat!(order, _ => 1, memoized(&order)),
        "attached" => {
            let gate = Arc::new(watch::Sender::new(false));
            crowd(calls, || gated(gate.subscribe()), || gate.send_replace(true)).await;
        }
        "woken by a watch" => {
            let sender = Arc::new(watch::Sender::new(None));
            let woken = |mut news: watch::Receiver<Option<Receipt>>| async move {
                news.wait_for(Option::is_some).await.ok().and_then(|value| value.clone())
            };
            crowd(calls, || woken(sender.subscribe()), || sender.send_replace(Some(receipt(&order(1)))).is_some())
                .await;
        }
        other => {
            eprintln!("no case {other}");
            std::process::exit(2);
        }
    }
}

#[idempotent(name = "gated", key = 1)]
async fn gated(mut gate: watch::Receiver<bool>) -> Result<Receipt, Declined> {
    gate.wait_for(|open| *open).await.map_err(|_| Declined)?;
    Ok(receipt(&order(1)))
}

/// So many tasks that wait for one thing.
async fn crowd<F>(of: u64, call: impl Fn() -> F, open: impl FnOnce() -> bool)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let tasks: Vec<_> = (0..of).map(|_| tokio::spawn(call())).collect();
    tokio::task::yield_now().await;
    open();
    for task in tasks {
        let _ = black_box(task.await);
    }
}
