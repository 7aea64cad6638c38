//! In memory, beside `#[cached]` and `moka::future`.

use std::cell::Cell;
use std::sync::LazyLock;

use idem_benches::compare::{compare, Contender, Rounds, Timed};
use idem_benches::fan::{alone, fan, one_thread, two_threads};
use idem_benches::ids::Ids;
use idem_benches::report::{Report, Row};
use idem_benches::subject::{
    blob, by_hand, by_hand_decoded, by_id, cache, decoded, fingerprinted, guarded, memoized, memoized_by_id,
    memoized_sized, order, receipt, sized, sized_decoded, Blob, Declined, Once, OnceBlob, Order, Receipt,
};
use idem_benches::unit::{bytes, count, who};
use moka::future::Cache;
use tokio::runtime::Runtime;

static RECEIPTS: LazyLock<Cache<u64, Receipt>> = LazyLock::new(cache);
static BLOBS: LazyLock<Cache<u64, Blob>> = LazyLock::new(cache);
static BYTES: LazyLock<Cache<u64, Vec<u8>>> = LazyLock::new(cache);

const BY_HAND: &str = "`moka::future` `try_get_with`";
const DECODED: &str = "`moka::future` get and decode";
const CACHED: &str = "`#[cached]`";

pub(crate) fn run(report: &mut Report) {
    report.part(
        "In memory",
        "A receipt of 130 bytes. The first table is one caller on one thread and a key that is called again and again; the others \
         are tasks on a runtime of two threads.",
    );
    let runtime = one_thread();
    let rows = [replays(report, &runtime), fresh(report, &runtime)].into_iter().flatten().collect();
    report.compared(rows);
    let runtime = two_threads();
    let rows = values(report, &runtime);
    report.compared(rows);
    let rows = callers(report, &runtime);
    report.compared(rows);
    let rows = keys(report, &runtime);
    report.compared(rows);
}

/// The rows of the budget.
fn replays(report: &Report, runtime: &Runtime) -> Vec<Row> {
    let (order, how) = (order(1), Rounds::of(report.effort));
    let receipts = cache();
    let clones = compare(
        how,
        vec![
            Contender::new(BY_HAND, |calls| alone(runtime, calls, || by_hand(&receipts, &order))),
            Contender::new("`Clone` result", |calls| alone(runtime, calls, || guarded(&order))),
        ],
    );
    let remembered = compare(
        how,
        vec![
            Contender::new(CACHED, |calls| alone(runtime, calls, || memoized(&order))),
            Contender::new("`Clone` result", |calls| alone(runtime, calls, || guarded(&order))),
        ],
    );
    let encoded = cache();
    runtime.block_on(encoded.insert(order.id, serde_json::to_vec(&Once(receipt(&order))).expect("it encodes")));
    let others = compare(
        how,
        vec![
            Contender::new(DECODED, |calls| alone(runtime, calls, || by_hand_decoded(&encoded, &order))),
            Contender::new("another result", |calls| alone(runtime, calls, || decoded(&order))),
        ],
    );
    let prints = compare(
        how,
        vec![
            Contender::new("without one", |calls| alone(runtime, calls, || guarded(&order))),
            Contender::new("with a fingerprint", |calls| alone(runtime, calls, || fingerprinted(&order))),
        ],
    );
    let row =
        |timed: &[Timed], budget| Row::all("replay from memory", timed, Some(budget)).into_iter().map(Row::stands);
    row(&clones, 1.0).chain(row(&remembered, 1.0)).chain(row(&others, 1.0)).chain(row(&prints, 1.5)).collect()
}

fn fresh(report: &Report, runtime: &Runtime) -> Vec<Row> {
    let next = Cell::new(1_000_000_000);
    let orders = |calls: u32| -> std::vec::IntoIter<Order> {
        let first = next.replace(next.get() + u64::from(calls));
        (first..first + u64::from(calls)).map(order).collect::<Vec<_>>().into_iter()
    };
    let receipts = cache();
    let timed = compare(
        Rounds::of(report.effort).most(4_000),
        vec![
            Contender::new(BY_HAND, |calls| {
                let mut orders = orders(calls);
                alone(runtime, calls, || {
                    let order = orders.next().expect("enough");
                    async { by_hand(&receipts, &{ order }).await }
                })
            }),
            Contender::new("`MokaStore`", |calls| {
                let mut orders = orders(calls);
                alone(runtime, calls, || {
                    let order = orders.next().expect("enough");
                    async { guarded(&{ order }).await }
                })
            }),
        ],
    );
    Row::all("fresh run", &timed, Some(1.25)).into_iter().map(Row::stands).collect()
}

async fn by_hand_sized(id: u64, bytes: usize) -> Result<Blob, std::sync::Arc<Declined>> {
    BLOBS.try_get_with(id, async move { Ok::<_, Declined>(blob(id, bytes)) }).await
}

async fn by_hand_sized_decoded(id: u64) -> OnceBlob {
    let bytes = BYTES.get(&id).await.expect("it is there");
    serde_json::from_slice(&bytes).expect("it decodes")
}

/// By size of the result; one caller.
fn values(report: &Report, runtime: &Runtime) -> Vec<Row> {
    let mut rows = Vec::new();
    for size in [100, 4 << 10, 256 << 10] {
        let (hot, how) = (Ids::Hot(2_000_000_000 + size as u64), Rounds::of(report.effort));
        let Ids::Hot(id) = hot else { continue };
        let encoded = serde_json::to_vec(&blob(id, size)).expect("it encodes");
        runtime.block_on(BYTES.insert(id, encoded));
        let clones = compare(
            how,
            vec![
                Contender::new(BY_HAND, |calls| fan(runtime, 1, calls, &hot, move |id| by_hand_sized(id, size))),
                Contender::new(CACHED, |calls| fan(runtime, 1, calls, &hot, move |id| memoized_sized(id, size))),
                Contender::new("`#[idempotent]`", |calls| fan(runtime, 1, calls, &hot, move |id| sized(id, size))),
            ],
        );
        rows.extend(Row::all(&format!("replay of {}", bytes(size)), &clones, None));
        let others = compare(
            how,
            vec![
                Contender::new(DECODED, |calls| fan(runtime, 1, calls, &hot, by_hand_sized_decoded)),
                Contender::new("`#[idempotent]`", |calls| {
                    fan(runtime, 1, calls, &hot, move |id| sized_decoded(id, size))
                }),
            ],
        );
        rows.extend(Row::all(&format!("decoded replay of {}", bytes(size)), &others, None));
        // What is made stays: no more than 4 MiB a round.
        let most = ((4 << 20) / size as u32).clamp(16, 2_000);
        let (one, two) = (Ids::fresh(3 << 32 | (size as u64) << 12), Ids::fresh(3 << 32 | (size as u64) << 12));
        let fresh = compare(
            how.most(most),
            vec![
                Contender::new(BY_HAND, |calls| fan(runtime, 1, calls, &one, move |id| by_hand_sized(id, size))),
                Contender::new("`#[idempotent]`", |calls| fan(runtime, 1, calls, &two, move |id| sized(id, size))),
            ],
        );
        rows.extend(Row::all(&format!("fresh run of {}", bytes(size)), &fresh, None));
        BLOBS.invalidate_all();
    }
    rows
}

async fn by_hand_id(id: u64) -> Result<Receipt, std::sync::Arc<Declined>> {
    RECEIPTS.try_get_with(id, async move { Ok::<_, Declined>(receipt(&order(id))) }).await
}

/// Of the same keys, the three.
fn three(how: Rounds, runtime: &Runtime, callers: u32, ids: &Ids) -> Vec<Timed> {
    compare(
        how.callers(callers),
        vec![
            Contender::new(BY_HAND, |calls| fan(runtime, callers, calls, ids, by_hand_id)),
            Contender::new(CACHED, |calls| fan(runtime, callers, calls, ids, memoized_by_id)),
            Contender::new("`#[idempotent]`", |calls| fan(runtime, callers, calls, ids, by_id)),
        ],
    )
}

/// By callers at a time, of the same key; and fresh ones.
fn callers(report: &Report, runtime: &Runtime) -> Vec<Row> {
    let mut rows = Vec::new();
    for callers in [1, 2, 8, 64] {
        let timed = three(Rounds::of(report.effort), runtime, callers, &Ids::Hot(4_000_000_000));
        rows.extend(Row::all(&format!("replay, {}", who(callers)), &timed, None));
        let first = 5_000_000_000 + u64::from(callers) * 100_000_000;
        let (one, two) = (Ids::fresh(first), Ids::fresh(first));
        let fresh = compare(
            Rounds::of(report.effort).callers(callers).most(4_000),
            vec![
                Contender::new(BY_HAND, |calls| fan(runtime, callers, calls, &one, by_hand_id)),
                Contender::new("`#[idempotent]`", |calls| fan(runtime, callers, calls, &two, by_id)),
            ],
        );
        rows.extend(Row::all(&format!("fresh run, {}", who(callers)), &fresh, None));
    }
    rows
}

const KEYS: u64 = 100_000;

/// By how the keys are drawn; 8 callers.
fn keys(report: &Report, runtime: &Runtime) -> Vec<Row> {
    let all = Ids::list(0..KEYS);
    let calls = KEYS as u32;
    fan(runtime, 1, calls, &all, by_hand_id);
    fan(runtime, 1, calls, &all, memoized_by_id);
    fan(runtime, 1, calls, &all, by_id);
    let mut rows = Vec::new();
    for (how_drawn, ids) in [("uniform", Ids::uniform(KEYS)), ("Zipf", Ids::zipf(KEYS))] {
        let timed = three(Rounds::of(report.effort), runtime, 8, &ids);
        rows.extend(Row::all(&format!("replay, {} keys, {how_drawn}", count(KEYS)), &timed, None));
    }
    rows
}
