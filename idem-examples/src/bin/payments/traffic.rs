//! Clients in trouble.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::{self, Patience};
use crate::orders::Order;

/// What goes wrong for an order's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The button is pressed three times at once.
    DoubleClick,
    /// The client hangs up while the handler runs, and tries again.
    TimeOut,
    /// The charge is made and its answer lost, and the client tries again.
    LostAnswer,
    /// The gateway is not there, and the client tries again.
    GatewayFails,
    /// Once charged, the client asks for another amount under the same id. That is a bug of its own, and refused.
    AnotherAmount,
    /// A double click, each of whose requests hangs up, and answers get lost too.
    Everything,
}

impl Fault {
    const ALL: [Self; 7] = [
        Self::None,
        Self::DoubleClick,
        Self::TimeOut,
        Self::LostAnswer,
        Self::GatewayFails,
        Self::AnotherAmount,
        Self::Everything,
    ];

    /// Every order with its trouble, the same in every run.
    pub(crate) fn of_all(orders: &[Order]) -> impl Iterator<Item = (&Order, Self)> {
        orders.iter().zip(Self::ALL.into_iter().cycle())
    }

    const fn clicks(self) -> usize {
        match self {
            Self::DoubleClick | Self::Everything => 3,
            _ => 1,
        }
    }

    /// How the first tries end; later ones wait for their answers.
    const fn patience(self, attempt: usize) -> Patience {
        match (self, attempt) {
            (Self::TimeOut, 0 | 1) | (Self::Everything, 0) => Patience::HangsUp(Duration::from_millis(25)),
            (Self::LostAnswer, 0) | (Self::Everything, 1) => Patience::LosesTheAnswer,
            _ => Patience::Waits,
        }
    }
}

/// How many customers there are at a time.
const CUSTOMERS: usize = 32;
/// After so many tries a client gives up.
const TRIES: usize = 20;

/// Sends all orders, and returns how many requests that took.
pub(crate) async fn drive(address: SocketAddr, orders: &[Order]) -> u64 {
    let progress = progress_bar(orders.len());
    let customers = Arc::new(Semaphore::new(CUSTOMERS));
    let sent = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for (order, trouble) in Fault::of_all(orders) {
        let Ok(customer) = Arc::clone(&customers).acquire_owned().await else {
            break;
        };
        let (order, sent, progress) = (order.clone(), Arc::clone(&sent), progress.clone());
        tasks.spawn(async move {
            let mut clicks = JoinSet::new();
            for _ in 0..trouble.clicks() {
                clicks.spawn(persist(address, order.clone(), trouble, Arc::clone(&sent)));
            }
            clicks.join_all().await;
            if trouble == Fault::AnotherAmount {
                sent.fetch_add(1, Ordering::SeqCst);
                let more = Order { cents: order.cents.wrapping_add(1), ..order };
                client::charge(address, &more, Patience::Waits).await;
            }
            progress.inc(1);
            drop(customer);
        });
    }
    tasks.join_all().await;
    progress.finish_and_clear();
    sent.load(Ordering::SeqCst)
}

/// Tries until there is an answer that says the charge is made, as a careful client does.
async fn persist(address: SocketAddr, order: Order, trouble: Fault, sent: Arc<AtomicU64>) {
    for attempt in 0..TRIES {
        sent.fetch_add(1, Ordering::SeqCst);
        match client::charge(address, &order, trouble.patience(attempt)).await {
            Some(status) if status.is_success() => return,
            Some(_) | None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Shown on standard error, and only when that is a terminal.
fn progress_bar(orders: usize) -> ProgressBar {
    let bar = ProgressBar::new(orders as u64);
    if let Ok(style) = ProgressStyle::with_template("charging {wide_bar} {pos}/{len} orders") {
        bar.set_style(style);
    }
    bar
}
