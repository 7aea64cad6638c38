//! What it came to.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::orders::Order;
use crate::service::Service;

#[derive(Debug)]
pub(crate) struct Report {
    orders: usize,
    sent: u64,
    bodies: u64,
    attached: u64,
    replayed: u64,
    refused: u64,
    charged: u128,
    owed: u128,
    charged_twice: Vec<String>,
    not_charged: Vec<String>,
}

impl Report {
    pub(crate) fn new(orders: &[Order], service: &Service, sent: u64) -> Self {
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        let tally = &service.tally;
        let mut report = Self {
            orders: orders.len(),
            sent,
            bodies: count(&tally.bodies),
            attached: count(&tally.attached),
            replayed: count(&tally.replayed),
            refused: count(&tally.refused),
            charged: 0,
            owed: 0,
            charged_twice: Vec::new(),
            not_charged: Vec::new(),
        };
        for order in orders {
            let charges = service.gateway.charges(order);
            report.owed += u128::from(order.cents);
            report.charged += charges.iter().copied().map(u128::from).sum::<u128>();
            match charges.len() {
                0 => report.not_charged.push(order.id.clone()),
                1 => {}
                _ => report.charged_twice.push(order.id.clone()),
            }
        }
        report
    }

    pub(crate) fn everybody_was_charged_once(&self) -> bool {
        self.charged_twice.is_empty() && self.not_charged.is_empty() && self.charged == self.owed
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let money = |cents: u128| format!("{}.{:02}", cents / 100, cents % 100);
        for (name, value) in [
            ("orders", self.orders.to_string()),
            ("requests sent", self.sent.to_string()),
            ("bodies run", self.bodies.to_string()),
            ("attached", self.attached.to_string()),
            ("replayed", self.replayed.to_string()),
            ("refused", self.refused.to_string()),
            ("charged", money(self.charged)),
            ("owed", money(self.owed)),
            ("charged twice", self.charged_twice.len().to_string()),
            ("not charged", self.not_charged.len().to_string()),
        ] {
            writeln!(f, "{name:<14}{value:>12}")?;
        }
        let verdict = match self.everybody_was_charged_once() {
            true => "everybody was charged exactly once",
            false => "NOT everybody was charged exactly once",
        };
        write!(f, "{verdict}")?;
        for (wrong, orders) in [("twice", &self.charged_twice), ("never", &self.not_charged)] {
            if let Some(first) = orders.first() {
                write!(f, "\n{wrong}: {first} and {} more", orders.len() - 1)?;
            }
        }
        Ok(())
    }
}
