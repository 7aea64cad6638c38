//! Callers of one key that wait for its run, beside a bare `watch`.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use idem::{idempotent, Idem, MokaStore};
use idem_benches::compare::{compare, Contender, Rounds};
use idem_benches::effort::Effort;
use idem_benches::fan::two_threads;
use idem_benches::plot::{Line, Plot};
use idem_benches::report::{Report, Row};
use idem_benches::subject::{order, receipt, Declined, Receipt};
use idem_benches::unit::{count, time};
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};

pub(crate) fn run(report: &mut Report) {
    report.part(
        "Callers of one key",
        "From the moment that the body may end until the last caller has its clone of the receipt, beside a `tokio::sync::watch` that \
         hands as many tasks the same value. Two threads.",
    );
    let runtime = two_threads();
    let idem = Idem::builder(MokaStore::new()).build().expect("an Idem");
    let (mut bare, mut guarded) = (Line::new("bare watch"), Line::new("#[idempotent]"));
    let mut rows = Vec::new();
    let rounds = report.effort.pick(101, 401);
    let crowds: &[u32] = match report.effort {
        Effort::Quick => &[1, 10, 100, 1_000, 10_000],
        Effort::Full => &[1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000],
    };
    for callers in crowds {
        let rounds = if *callers > 1_000 { rounds / 4 } else { rounds };
        let how = Rounds { rounds, ..Rounds::of(report.effort) }.exactly(1);
        let timed = compare(
            how,
            vec![
                Contender::new("bare `watch`", |_| watched(&runtime, *callers)),
                Contender::new("`#[idempotent]`", |_| attached(&runtime, &idem, *callers)),
            ],
        );
        bare.push(f64::from(*callers), timed[0].each);
        guarded.push(f64::from(*callers), timed[1].each);
        let who = format!("{} callers of one key, the last answered", count(u64::from(*callers)));
        let row = Row::of(&who, &timed[1], &timed[0], (*callers == 1_000).then_some(1.5));
        rows.push(if *callers == 1_000 { row.stands() } else { row });
    }
    report.compared(rows);
    let plot = Plot::new("Until the last caller of one key has its answer", "callers", time, vec![bare, guarded]);
    report.plot("waiters", "Time until the last of 1 to 10,000 callers of one key is answered", &plot);
}

/// Says when the last of so many has come, and when the last has been answered.
struct Crowd {
    to_come: AtomicU32,
    to_go: AtomicU32,
}

impl Crowd {
    fn new(of: u32) -> Arc<Self> {
        Arc::new(Self { to_come: AtomicU32::new(of), to_go: AtomicU32::new(of) })
    }

    /// Polls a call once, so that it waits, and then to its end.
    async fn member<T>(self: Arc<Self>, call: impl std::future::Future<Output = T>, last: Arc<Last>) -> T {
        let mut call = std::pin::pin!(call);
        let mut came = false;
        let value = std::future::poll_fn(|cx| {
            let answer = call.as_mut().poll(cx);
            if !std::mem::replace(&mut came, true) {
                self.to_come.fetch_sub(1, Ordering::SeqCst);
            }
            answer
        })
        .await;
        if self.to_go.fetch_sub(1, Ordering::SeqCst) == 1 {
            if let Some(done) = last.0.lock().expect("not poisoned").take() {
                let _ = done.send(Instant::now());
            }
        }
        value
    }

    async fn all_wait(&self) {
        while self.to_come.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
        // Whoever came is about to be pending.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

struct Last(std::sync::Mutex<Option<oneshot::Sender<Instant>>>);

fn watched(runtime: &Runtime, callers: u32) -> Duration {
    let crowd = Crowd::new(callers);
    let sender = Arc::new(watch::Sender::new(None::<Receipt>));
    let call = |_| {
        let mut receiver = sender.subscribe();
        async move { receiver.wait_for(Option::is_some).await.ok().and_then(|value| value.clone()) }
    };
    timed(runtime, &crowd, callers, call, || {
        sender.send_replace(Some(receipt(&order(1))));
    })
}

fn attached(runtime: &Runtime, idem: &Idem, callers: u32) -> Duration {
    static KEYS: AtomicU64 = AtomicU64::new(0);
    let key = KEYS.fetch_add(1, Ordering::Relaxed);
    let crowd = Crowd::new(callers);
    let gate = Arc::new(watch::Sender::new(false));
    let call = |_| gated(idem.clone(), key, gate.subscribe());
    timed(runtime, &crowd, callers, call, || {
        gate.send_replace(true);
    })
}

#[idempotent(name = "gated", key = key, idem = idem)]
async fn gated(idem: Idem, key: u64, mut gate: watch::Receiver<bool>) -> Result<Receipt, Declined> {
    gate.wait_for(|open| *open).await.map_err(|_| Declined)?;
    Ok(receipt(&order(key)))
}

/// Lets so many come, opens, and waits for the last.
fn timed<F>(
    runtime: &Runtime,
    crowd: &Arc<Crowd>,
    callers: u32,
    call: impl Fn(u32) -> F,
    open: impl FnOnce(),
) -> Duration
where
    F: std::future::Future + Send + 'static,
    F::Output: Send,
{
    runtime.block_on(async {
        let (done, last) = oneshot::channel();
        let done = Arc::new(Last(std::sync::Mutex::new(Some(done))));
        let tasks: Vec<_> =
            (0..callers).map(|n| tokio::spawn(Arc::clone(crowd).member(call(n), Arc::clone(&done)))).collect();
        crowd.all_wait().await;
        let opened = Instant::now();
        open();
        let took = last.await.expect("the last one says so").duration_since(opened);
        for task in tasks {
            task.await.expect("a caller does not panic");
        }
        took
    })
}
