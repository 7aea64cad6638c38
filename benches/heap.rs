//! What is allocated: by a call, and for each record that is kept. Lines of `name`, tab, number, for `table/heap.rs`.

use std::alloc::System;
use std::future::Future;
use std::hint::black_box;

use idem::{Idem, MokaStore};
use idem_benches::fan::one_thread;
use idem_benches::subject::{
    by_hand, by_hand_decoded, by_id, cache, decoded, fingerprinted, guarded, memoized, memoized_by_id, order, receipt,
    Declined, Once,
};
use stats_alloc::{StatsAlloc, INSTRUMENTED_SYSTEM};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CALLS: u64 = 4_096;
const RECORDS: u64 = 100_000;

fn main() {
    idem::install(Idem::new(MokaStore::new())).expect("installed once");
    one_thread().block_on(async {
        calls().await;
        records().await;
    });
}

async fn calls() {
    let (one, receipts, bytes) = (order(1), cache(), cache());
    let made = receipt(&one);
    bytes.insert(1, serde_json::to_vec(&Once(made.clone())).expect("it encodes")).await;
    each("the value's own clone", |_| async { made.clone() }).await;
    each("replay, `Clone` result", |_| guarded(&one)).await;
    each("replay, with a fingerprint", |_| fingerprinted(&one)).await;
    each("replay, another result", |_| decoded(&one)).await;
    each("replay, `moka::future` `try_get_with`", |_| by_hand(&receipts, &one)).await;
    each("replay, `moka::future` get and decode", |_| by_hand_decoded(&bytes, &one)).await;
    each("replay, `#[cached]`", |_| memoized(&one)).await;
    each("making the value", |id| async move { receipt(&order(id)) }).await;
    each("fresh run", by_id).await;
    each("fresh run, `#[cached]`", memoized_by_id).await;
    let receipts = cache();
    each("fresh run, `moka::future` `try_get_with`", |id| {
        let receipts = receipts.clone();
        async move { receipts.try_get_with(id, async move { Ok::<_, Declined>(receipt(&order(id))) }).await.is_ok() }
    })
    .await;
}

/// Allocations and bytes of a call, when it is warm.
async fn each<F: Future>(name: &str, mut call: impl FnMut(u64) -> F) {
    for id in 0..CALLS {
        black_box(call(id).await);
    }
    let before = HEAP.stats();
    for id in CALLS..2 * CALLS {
        black_box(call(id).await);
    }
    let done = HEAP.stats() - before;
    let of = |number: usize| number as f64 / CALLS as f64;
    let count = done.allocations + done.reallocations;
    println!("calls\t{name}\t{:.2}\t{:.0}", of(count), of(done.bytes_allocated));
}

/// Bytes that stay for each record, of 130 bytes as JSON.
async fn records() {
    let live = || {
        let stats = HEAP.stats();
        stats.bytes_allocated.saturating_sub(stats.bytes_deallocated) as f64
    };
    let before = live();
    for id in 0..RECORDS {
        let _ = black_box(by_id((1 << 32) + id).await);
    }
    println!("records\t`MokaStore`\t{:.0}", (live() - before) / RECORDS as f64);
    let before = live();
    let receipts = cache();
    for id in 0..RECORDS {
        receipts.insert(id, receipt(&order(id))).await;
    }
    receipts.run_pending_tasks().await;
    println!("records\t`moka::future`, the same value under a `u64`\t{:.0}", (live() - before) / RECORDS as f64);
    drop(receipts);
}
