//! Bytes of futures.

use idem_benches::report::Report;
use idem_benches::subject::{guarded, order, receipt, sized, Blob, Declined, Order, Receipt};

pub(crate) fn run(report: &mut Report) {
    report.part("Size of the future", "In bytes. The budget is the plain function's, its `Result` and 512.");
    let order = order(1);
    let result = size_of::<Result<Receipt, Declined>>();
    let blob = size_of::<Result<Blob, Declined>>();
    let rows = [
        ("a receipt from a reference", size_of_val(&plain(&order)), size_of_val(&guarded(&order)), result),
        ("a blob from two numbers", size_of_val(&plain_blob(1, 1)), size_of_val(&sized(1, 1)), blob),
        ("2 KiB held over a pause", size_of_val(&holds(&order)), size_of_val(&guarded_holds(&order)), result),
        (
            "one that can ask what became of an attempt",
            size_of_val(&plain(&order)),
            size_of_val(&asking(&order)),
            result,
        ),
    ];
    let cells = rows.map(|(what, plain, guarded, result)| {
        let budget = plain + result + 512;
        let met = guarded <= budget;
        let beside = format!("plain, {plain} bytes");
        let cells = [format!("future, {what}"), beside, format!("{guarded} bytes"), String::new(), budget.to_string()];
        report.judged(cells, met);
        let verdict = if met { "met" } else { "over" };
        let numbers = [plain, guarded, budget].map(|bytes| bytes.to_string());
        [vec![what.to_owned()], numbers.to_vec(), vec![verdict.to_owned()]].concat()
    });
    report.table(&["function", "plain", "guarded", "budget", ""], cells.to_vec());
}

async fn plain(order: &Order) -> Result<Receipt, Declined> {
    Ok(receipt(order))
}

async fn plain_blob(id: u64, bytes: usize) -> Result<Blob, Declined> {
    Ok(idem_benches::subject::blob(id, bytes))
}

async fn holds(order: &Order) -> Result<Receipt, Declined> {
    let held = std::hint::black_box([1_u8; 2048]);
    tokio::task::yield_now().await;
    std::hint::black_box(&held);
    Ok(receipt(order))
}

#[idem::idempotent(key = order.id, reconcile = async { Ok(None) })]
async fn asking(order: &Order) -> Result<Receipt, Declined> {
    Ok(receipt(order))
}

#[idem::idempotent(key = order.id)]
async fn guarded_holds(order: &Order) -> Result<Receipt, Declined> {
    let held = std::hint::black_box([1_u8; 2048]);
    tokio::task::yield_now().await;
    std::hint::black_box(&held);
    Ok(receipt(order))
}
