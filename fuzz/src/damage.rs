//! What can happen to stored bytes.

use arbitrary::{Result, Unstructured};

/// The bytes after some accidents. `others` are other bytes of the kind, parts of which may get in.
pub(crate) fn damaged(u: &mut Unstructured<'_>, whole: &[u8], others: &[&[u8]]) -> Result<Vec<u8>> {
    let mut bytes = whole.to_vec();
    for _ in 0..u.int_in_range(0..=3)? {
        let at = u.int_in_range(0..=bytes.len())?;
        match u.int_in_range(0..=6)? {
            0 | 1 => {
                let bit = u.int_in_range(0..=7)?;
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            2 => bytes.truncate(at),
            3 => bytes.insert(at, u.arbitrary()?),
            4 => drop(bytes.splice(..at, [])),
            5 => {
                let other = u.choose(others)?;
                let from = u.int_in_range(0..=other.len())?;
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => bytes = u.choose(others)?.to_vec(),
        }
    }
    Ok(bytes)
}
