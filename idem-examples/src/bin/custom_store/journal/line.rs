//! A line of the journal: key, record and a sum over both, as text.

use crate::hex;

/// The line, with its end.
pub(super) fn write(key: &[u8], record: &[u8]) -> String {
    let text = format!("{} {}", hex::encode(key), hex::encode(record));
    format!("{text} {:016x}\n", sum(&text))
}

/// Key and record of a line without its end; `None` when it is damaged.
pub(super) fn read(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (text, written) = std::str::from_utf8(line).ok()?.rsplit_once(' ')?;
    let (key, record) = text.split_once(' ')?;
    let right = format!("{:016x}", sum(text)) == written;
    right.then_some((hex::decode(key)?, hex::decode(record)?))
}

/// FNV-1a. It tells of accidents: another byte anywhere is always another sum.
fn sum(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
