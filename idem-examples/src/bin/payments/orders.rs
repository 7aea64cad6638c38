//! What customers want to pay for.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::AnyError;

/// One order, to be charged once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) cents: u64,
}

/// Made-up orders, the same in every run.
pub(crate) fn generate() -> Vec<Order> {
    (1..=600_u64).map(|n| Order { id: format!("order-{n:04}"), cents: 100 + n * 37 % 9_900 }).collect()
}

/// The good lines of a file. The bad ones are named on standard error and do not stop the rest.
pub(crate) fn read(file: &Path) -> Result<Vec<Order>, AnyError> {
    let text = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut orders = Vec::new();
    let mut lines = HashMap::new();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match parse(line).and_then(|order| match lines.insert(order.id.clone(), number) {
            Some(first) => Err(format!("order {:?} was on line {first} already", order.id)),
            None => Ok(order),
        }) {
            Ok(order) => orders.push(order),
            Err(why) => eprintln!("{}: line {number}: {why}; skipped", file.display()),
        }
    }
    if orders.is_empty() {
        return Err(format!("{}: no order in it", file.display()).into());
    }
    Ok(orders)
}

fn parse(line: &[u8]) -> Result<Order, String> {
    let order: Order = serde_json::from_slice(line).map_err(|error| {
        // Its line is always the first; the file's is named by the caller.
        let said = error.to_string();
        let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
        format!("{what} (column {})", error.column())
    })?;
    order.check()?;
    Ok(order)
}

impl Order {
    /// Whether it can be charged at all.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.id.is_empty() {
            Err("the order's id is empty".into())
        } else if self.id.len() > idem::Key::LIMIT {
            Err(format!("the order's id is over {} bytes long", idem::Key::LIMIT))
        } else if self.cents == 0 {
            Err("there is nothing to charge".into())
        } else {
            Ok(())
        }
    }
}
