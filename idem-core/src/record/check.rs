//! The checksums that bind bytes to their key.
//!
//! They are against accidents: a flipped bit, a value copied to another key, an answer on a connection that is out of step. Whoever
//! can write to the store can write these too; against those there is [`Seal`](crate::seal::Seal).

use sha2::{Digest, Sha256};
use twox_hash::XxHash3_64;

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

/// XXH3 of 64 bits over a result's head, the key and the content, each with the hash of those before it as its seed. A result may
/// be large, and is checked each time it is decoded: this takes a tenth of what SHA-256 does.
pub(super) fn quick(key: &Key, head: &[u8], content: &[u8]) -> [u8; LENGTH] {
    let hash = |seed, part| XxHash3_64::oneshot_with_seed(seed, part);
    hash(hash(hash(0, head), key.as_bytes()), content).to_be_bytes()
}

/// The first 8 bytes of SHA-256 over what it is of, the key after its length, and all of the bytes but the checksum's own.
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
