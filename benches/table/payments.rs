//! A payments service under load, with the attribute and without.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use idem::{idempotent, Idem, MokaStore, Store};
use idem_benches::fan::two_threads;
use idem_benches::report::Report;
use idem_benches::spread::{at, Spread};
use idem_benches::subject::{receipt, Declined, Order, Receipt};
use idem_benches::unit::{count, figures, time};
use tokio::runtime::Runtime;

use crate::postgres::OnPostgres;
use crate::redis::OnRedis;
use crate::remote::Setting;

const CUSTOMERS: u64 = 64;
/// What the gateway takes to answer.
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) fn run(report: &mut Report) {
    report.part(
        "A service under load",
        "64 customers at a time, each of whom sends an order and waits for the answer before the next; every tenth order is sent once more. \
         The handler charges at a gateway that takes 2 ms, key and fingerprint are the order's, the generator is in the process. Without the \
         attribute the order that is sent again is charged again. Two threads.",
    );
    let runtime = two_threads();
    let redis = runtime.block_on(OnRedis::start());
    let postgres = runtime.block_on(OnPostgres::start(&[]));
    let stores: [(&str, Arc<dyn Store>); 3] =
        [("in memory", Arc::new(MokaStore::new())), ("Redis", redis.store()), ("PostgreSQL", postgres.store())];
    let mut services = vec![Service::new("without the attribute", None)];
    for (name, store) in stores {
        services.push(Service::new(name, Some(Idem::builder(store).build().expect("an Idem"))));
    }
    let (rounds, slice) = (report.effort.pick(7, 31), Duration::from_millis(report.effort.pick(800, 4_000)));
    for round in 0..=rounds {
        for place in 0..services.len() {
            let which = (round + place) % services.len();
            services[which].load(&runtime, slice, round > 0);
        }
    }
    let rates = services[0].rates.clone();
    let rows = services.into_iter().map(|service| service.row(&rates)).collect();
    let head = ["service", "requests/s", "ratio", "10–90 %", "p50", "p99", "p99.9", "charged twice"];
    report.table(&head, rows);
}

struct Service {
    name: &'static str,
    idem: Option<Idem>,
    next: Arc<AtomicU64>,
    bodies: Arc<AtomicU64>,
    rates: Vec<f64>,
    latencies: Vec<f64>,
    orders: u64,
}

impl Service {
    fn new(name: &'static str, idem: Option<Idem>) -> Self {
        let (next, bodies) = (Arc::default(), Arc::default());
        Self { name, idem, next, bodies, rates: Vec::new(), latencies: Vec::new(), orders: 0 }
    }

    fn load(&mut self, runtime: &Runtime, slice: Duration, counts: bool) {
        let began = Instant::now();
        let latencies: Vec<f64> = runtime.block_on(async {
            let customers: Vec<_> = (0..CUSTOMERS).map(|_| tokio::spawn(self.customer(began + slice))).collect();
            let mut all = Vec::new();
            for customer in customers {
                let (latencies, orders) = customer.await.expect("a customer does not panic");
                all.extend(latencies);
                self.orders += orders;
            }
            all
        });
        if counts {
            self.rates.push(latencies.len() as f64 / began.elapsed().as_secs_f64());
            self.latencies.extend(latencies);
        }
    }

    /// What requests took until the end, and how many orders there were.
    fn customer(&self, end: Instant) -> impl std::future::Future<Output = (Vec<f64>, u64)> + Send + 'static {
        let (idem, next, bodies) = (self.idem.clone(), Arc::clone(&self.next), Arc::clone(&self.bodies));
        async move {
            let (mut latencies, mut orders) = (Vec::new(), 0);
            while Instant::now() < end {
                let id = next.fetch_add(1, Ordering::Relaxed);
                orders += 1;
                for _ in 0..if id % 10 == 0 { 2 } else { 1 } {
                    let order = Order { id, tenant: "acme".into(), cents: 12_345 };
                    let sent = Instant::now();
                    let answer = match &idem {
                        Some(idem) => charge(idem.clone(), Arc::clone(&bodies), order).await,
                        None => capture(&bodies, order).await,
                    };
                    latencies.push(sent.elapsed().as_nanos() as f64);
                    assert!(answer.is_ok_and(|receipt| receipt.order == id), "the order is charged");
                }
            }
            (latencies, orders)
        }
    }

    fn row(mut self, base: &[f64]) -> Vec<String> {
        self.latencies.sort_by(f64::total_cmp);
        let ratio = Spread::of(self.rates.iter().zip(base).map(|(rate, base)| rate / base).collect());
        let twice = self.bodies.load(Ordering::Relaxed) - self.orders;
        let percentiles = [0.5, 0.99, 0.999].map(|part| time(at(&self.latencies, part)));
        let rate = count(Spread::of(self.rates).median as u64);
        let spread = format!("{}–{}", figures(ratio.low), figures(ratio.high));
        let cells = [vec![self.name.to_owned(), rate, figures(ratio.median), spread], percentiles.to_vec()].concat();
        [cells, vec![count(twice)]].concat()
    }
}

#[idempotent(name = "payments.charged", key = order.id, fingerprint = order, idem = idem)]
async fn charge(idem: Idem, bodies: Arc<AtomicU64>, order: Order) -> Result<Receipt, Declined> {
    capture(&bodies, order).await
}

async fn capture(bodies: &AtomicU64, order: Order) -> Result<Receipt, Declined> {
    bodies.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(PAUSE).await;
    Ok(receipt(&order))
}
