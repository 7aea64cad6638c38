//! Replay and fresh runs in memory, beside `#[cached]` and `moka::future`, in one run.

mod subject;

use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

use idem::{Idem, MokaStore};
use idem_benches::{compare, Contender};
use subject::{by_hand, by_hand_decoded, cache, decoded, fingerprinted, guarded, memoized, order, receipt};
use subject::{Failed, Once, Order, Receipt};
use tokio::runtime::Runtime;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    idem::install(Idem::new(MokaStore::new())).expect("installed once");
    replays(&runtime);
    fresh_runs(&runtime);
    let plain = std::mem::size_of_val(&plain(&order(0)));
    let with = std::mem::size_of_val(&guarded(&order(0)));
    println!(
        "\nfuture: {plain} bytes plain, {with} guarded (budget: plain + {} + 512)",
        size_of::<Result<Receipt, Failed>>()
    );
}

async fn plain(order: &Order) -> Result<Receipt, Failed> {
    Ok(receipt(order))
}

/// Times `calls` calls made one after another.
fn time<F: Future>(runtime: &Runtime, calls: u32, mut call: impl FnMut() -> F) -> Duration {
    runtime.block_on(async {
        let start = Instant::now();
        for _ in 0..calls {
            black_box(call().await);
        }
        start.elapsed()
    })
}

fn replays(runtime: &Runtime) {
    let order = order(1);
    let receipts = cache();
    let bytes = cache();
    runtime.block_on(bytes.insert(order.id, serde_json::to_vec(&Once(receipt(&order))).expect("it encodes")));
    compare(
        "replay",
        20_000,
        31,
        vec![
            Contender::new("moka::future try_get_with, by hand", |calls| {
                time(runtime, calls, || by_hand(&receipts, &order))
            }),
            Contender::new("#[cached]", |calls| time(runtime, calls, || memoized(&order))),
            Contender::new("#[idempotent]", |calls| time(runtime, calls, || guarded(&order))),
            Contender::new("#[idempotent] with a fingerprint", |calls| time(runtime, calls, || fingerprinted(&order))),
        ],
    );
    compare(
        "replay of what is not Clone",
        20_000,
        31,
        vec![
            Contender::new("moka::future get and decode, by hand", |calls| {
                time(runtime, calls, || by_hand_decoded(&bytes, &order))
            }),
            Contender::new("#[idempotent]", |calls| time(runtime, calls, || decoded(&order))),
        ],
    );
}

fn fresh_runs(runtime: &Runtime) {
    let next = Cell::new(1_000_000);
    let orders = |calls: u32| -> Vec<Order> {
        let first = next.replace(next.get() + u64::from(calls));
        (first..first + u64::from(calls)).map(order).collect()
    };
    let receipts = cache();
    compare(
        "fresh run",
        2_000,
        31,
        vec![
            Contender::new("moka::future try_get_with, by hand", |calls| {
                let mut orders = orders(calls).into_iter();
                time(runtime, calls, || {
                    let order = orders.next().expect("enough");
                    async { by_hand(&receipts, &{ order }).await }
                })
            }),
            Contender::new("#[idempotent]", |calls| {
                let mut orders = orders(calls).into_iter();
                time(runtime, calls, || {
                    let order = orders.next().expect("enough");
                    async { guarded(&{ order }).await }
                })
            }),
        ],
    );
}
