//! What a queue delivers.

use serde::{Deserialize, Serialize};

/// One event, to be handled once. All of it is what its producer sent, so all of it is its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) cents: u64,
}

impl Event {
    /// The event on a line, or what is wrong with the line.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        let event: Self = serde_json::from_slice(line).map_err(|error| {
            // Its line is always the first; the source's is named by the caller.
            let said = error.to_string();
            let what = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
            format!("{what} (column {})", error.column())
        })?;
        event.check()?;
        Ok(event)
    }

    /// Whether it can be handled at all.
    fn check(&self) -> Result<(), String> {
        if self.id.is_empty() {
            Err("the event's id is empty".into())
        } else if self.id.len() > idem::Key::LIMIT {
            Err(format!("the event's id is over {} bytes long", idem::Key::LIMIT))
        } else if self.account.is_empty() {
            Err("there is nobody to credit".into())
        } else if self.cents == 0 {
            Err("there is nothing to credit".into())
        } else {
            Ok(())
        }
    }
}

/// An event on its way: the same event may be delivered any number of times.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Where it was read, counted from 1.
    pub(crate) line: u64,
    pub(crate) event: Event,
    /// How many attempts this delivery made that failed. The event's own are counted in its record.
    pub(crate) failed: u32,
}
