//! A record of each kind, from `tests/golden`.

use std::sync::OnceLock;

use idem_core::Key;
use serde::{Deserialize, Serialize};

/// What the completed ones hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) id: u64,
    pub(crate) cents: i64,
    pub(crate) rate: f64,
    pub(crate) note: Option<String>,
}

pub(crate) fn receipt() -> Receipt {
    Receipt { id: 7, cents: -500, rate: 0.913_614_977_317_635_9, note: None }
}

/// When they were written, in microseconds.
pub(crate) const NOW: u64 = 1_700_000_000_000_000;

pub(crate) struct Golden {
    pub(crate) kind: &'static str,
    pub(crate) key: Key,
    pub(crate) bytes: Vec<u8>,
}

macro_rules! golden {
    ($($kind:literal),*) => {
        [$(($kind, include_str!(concat!("../../tests/golden/", $kind, ".v1")))),*]
    };
}

const FILES: [(&str, &str); 7] =
    golden!("json", "messagepack", "error", "unreplayable", "running", "failed", "unknown");

pub(crate) fn all() -> &'static [Golden] {
    static ALL: OnceLock<Vec<Golden>> = OnceLock::new();
    ALL.get_or_init(read)
}

fn read() -> Vec<Golden> {
    let unhex = |text: &str| -> Vec<u8> {
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("a byte");
        text.as_bytes().chunks(2).map(byte).collect()
    };
    let golden = |(kind, text): &(&'static str, &str)| {
        let mut lines = text.lines().map(unhex);
        let key = Key::from_bytes(&lines.next().expect("a key")).expect("a key");
        Golden { kind, key, bytes: lines.next().expect("a record") }
    };
    FILES.iter().map(golden).collect()
}
