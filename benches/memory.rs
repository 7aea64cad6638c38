//! Replay and fresh runs in memory, beside `#[cached]` and `moka::future`, in one run.

use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

use cached::macros::cached;
use idem::{idempotent, Idem, MokaStore};
use idem_benches::{compare, Contender};
use moka::future::Cache;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

#[derive(Debug, Clone, thiserror::Error)]
#[error("failed")]
struct Failed;

impl From<idem::Error> for Failed {
    fn from(_: idem::Error) -> Self {
        Self
    }
}

#[derive(Debug, Serialize)]
struct Order {
    id: u64,
    tenant: String,
    cents: u64,
}

/// About 130 bytes as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Receipt {
    order: u64,
    cents: u64,
    currency: String,
    gateway: String,
    reference: String,
}

/// The same, and not `Clone`: it has to be decoded.
#[derive(Debug, Serialize, Deserialize)]
struct Once(Receipt);

fn receipt(order: &Order) -> Receipt {
    Receipt {
        order: order.id,
        cents: order.cents,
        currency: "EUR".into(),
        gateway: "gateway.example".into(),
        reference: "ch_3PqLk2eZvKYlo2C1gFJ8x4Yb".into(),
    }
}

fn order(id: u64) -> Order {
    Order { id, tenant: "acme".into(), cents: 12_345 }
}

#[idempotent(key = order.id)]
async fn guarded(order: &Order) -> Result<Receipt, Failed> {
    Ok(receipt(order))
}

#[idempotent(key = order.id, fingerprint = order)]
async fn fingerprinted(order: &Order) -> Result<Receipt, Failed> {
    Ok(receipt(order))
}

#[idempotent(key = order.id)]
async fn decoded(order: &Order) -> Result<Once, Failed> {
    Ok(Once(receipt(order)))
}

#[cached(key = "u64", convert = r#"{ order.id }"#)]
async fn memoized(order: &Order) -> Result<Receipt, Failed> {
    Ok(receipt(order))
}

async fn by_hand(cache: &Cache<u64, Receipt>, order: &Order) -> Receipt {
    let made = cache.try_get_with(order.id, async { Ok::<_, Failed>(receipt(order)) });
    made.await.expect("it does not fail")
}

async fn by_hand_decoded(cache: &Cache<u64, Vec<u8>>, order: &Order) -> Once {
    let bytes = cache.get(&order.id).await.expect("it is there");
    serde_json::from_slice(&bytes).expect("it decodes")
}

const TTL: Duration = Duration::from_secs(24 * 60 * 60);

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
    let cache = Cache::builder().time_to_live(TTL).build();
    let bytes = Cache::builder().time_to_live(TTL).build();
    runtime.block_on(bytes.insert(order.id, serde_json::to_vec(&Once(receipt(&order))).expect("it encodes")));
    compare(
        "replay",
        20_000,
        31,
        vec![
            Contender::new("moka::future try_get_with, by hand", |calls| {
                time(runtime, calls, || by_hand(&cache, &order))
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
    let cache = Cache::builder().time_to_live(TTL).build();
    compare(
        "fresh run",
        2_000,
        31,
        vec![
            Contender::new("moka::future try_get_with, by hand", |calls| {
                let mut orders = orders(calls).into_iter();
                time(runtime, calls, || {
                    let order = orders.next().expect("enough");
                    async { by_hand(&cache, &{ order }).await }
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
