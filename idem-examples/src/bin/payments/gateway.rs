//! The bank's side: slow, not always there, and it charges whenever it is asked to.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::orders::Order;
use crate::traffic::Fault;

/// A gateway that knows nothing of idempotency, and a ledger of what it charged.
#[derive(Debug, Default)]
pub(crate) struct Gateway {
    /// Orders whose next charge it is not there for.
    unavailable: Mutex<HashSet<String>>,
    ledger: Mutex<HashMap<String, Vec<u64>>>,
    /// Says on standard output what it does.
    talks: bool,
}

/// The gateway did not take the charge.
#[derive(Debug, thiserror::Error)]
#[error("the payment gateway is unavailable")]
pub(crate) struct Unavailable;

/// How long it takes to charge, and how long its answer then takes.
const CHARGE: Duration = Duration::from_millis(10);
const ANSWER: Duration = Duration::from_millis(40);

impl Gateway {
    /// One that is always there, and says what it does.
    pub(crate) fn reliable() -> Self {
        Self { talks: true, ..Self::default() }
    }

    /// One that is not there at the first try, for the orders whose trouble that is.
    pub(crate) fn troubled(orders: &[Order]) -> Self {
        let unavailable = Fault::of_all(orders)
            .filter(|(_, trouble)| *trouble == Fault::GatewayFails)
            .map(|(order, _)| order.id.clone())
            .collect();
        Self { unavailable: Mutex::new(unavailable), ..Self::default() }
    }

    /// Takes the money. Whoever stops listening for the answer has paid all the same.
    pub(crate) async fn capture(&self, order: &Order) -> Result<(), Unavailable> {
        self.say("charging", order);
        tokio::time::sleep(CHARGE).await;
        if self.unavailable.lock().unwrap_or_else(PoisonError::into_inner).remove(&order.id) {
            return Err(Unavailable);
        }
        self.ledger().entry(order.id.clone()).or_default().push(order.cents);
        tokio::time::sleep(ANSWER).await;
        self.say("charged", order);
        Ok(())
    }

    fn say(&self, what: &str, order: &Order) {
        if self.talks {
            // Nobody may be reading; money moves all the same.
            let _ = writeln!(std::io::stdout(), "{what} {} {}", order.id, order.cents);
        }
    }

    /// What an order was charged, once for each time.
    pub(crate) fn charges(&self, order: &Order) -> Vec<u64> {
        self.ledger().get(&order.id).cloned().unwrap_or_default()
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<u64>>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
