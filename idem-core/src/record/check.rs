//! The checksum that binds bytes to their key.

use sha2::{Digest, Sha256};

use crate::key::Key;

/// What a checksum is of. A result's bytes are no record, whatever is in them.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Of {
    Record = 1,
    Result = 2,
}

/// How many bytes it has.
pub(super) const LENGTH: usize = 8;

/// The first 8 bytes of SHA-256 over what it is of, the key after its length, and all of the bytes but the checksum's own.
///
/// It is against accidents: a flipped bit, a value copied to another key, an answer on a connection that is out of step. Whoever
/// can write to the store can write this too; against those there is [`Seal`](crate::seal::Seal).
pub(super) fn check(of: Of, key: &Key, head: &[u8], rest: &[u8]) -> [u8; LENGTH] {
    let key = key.as_bytes();
    let mut digest = Sha256::new_with_prefix([of as u8]);
    digest.update((key.len() as u64).to_be_bytes());
    for part in [key, head, rest] {
        digest.update(part);
    }
    let mut check = [0; LENGTH];
    check.iter_mut().zip(digest.finalize()).for_each(|(byte, of_all)| *byte = of_all);
    check
}
