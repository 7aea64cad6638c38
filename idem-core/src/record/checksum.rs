//! The checksum that binds stored bytes to their key.
//!
//! It detects accidents: a flipped bit, a value that was copied to another key, a connection that returns the answer to another
//! request. It does not stop an attacker who can write to the store; a [`Seal`](crate::codec::Seal) does.

use twox_hash::XxHash3_64;

use crate::key::Key;

/// What the checksum covers. Each has its own first seed, so that a result's checksum is not valid for a record.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Domain {
    Record = 1,
    Result = 2,
}

/// The length of a checksum in bytes.
pub(super) const LENGTH: usize = 8;

/// XXH3 (64 bits) of `head`, the key and `content`; each hash is the seed of the next, and the domain is the first seed.
pub(super) fn checksum(domain: Domain, key: &Key, head: &[u8], content: &[u8]) -> [u8; LENGTH] {
    let parts = [head, key.as_bytes(), content];
    parts.into_iter().fold(domain as u64, XxHash3_64::oneshot_with_seed).to_be_bytes()
}
