//! What identifies an operation's call, and how it becomes the name of a record.

mod bytes;
mod hashed;
mod part;
mod reader;
mod sharded;
mod writer;

use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::OnceLock;

use bytes::{Buffer, Bytes};
use foldhash::quality::SeedableRandomState;
use foldhash::SharedSeed;
pub use hashed::{hash, Hashed};
pub use part::{IntoKey, KeyPart};
pub(crate) use sharded::Sharded;
pub use writer::KeyWriter;

use crate::error::InvalidKey;
use crate::sync::seed as random;

/// The name of one record: namespace, operation and key, encoded so that no two of them ever meet.
///
/// The encoding is self-delimiting and typed: `("a", "b:c")` and `("a:b", "c")`, or `1` and `"1"`, are different keys;
/// integers count by value, whatever their width. It is part of the stored format and does not change between versions.
/// `Debug` shows the operation and never the key's text.
#[derive(Clone)]
pub struct Key {
    /// Seeded in each process, so no client can aim for collisions.
    hash: u64,
    bytes: Bytes,
    operation: (u32, u32),
}

/// The first byte of every user's key; other first bytes are the library's own.
const USER_KEY: u8 = 1;

impl Key {
    /// How many bytes of the user's own a key may have: 1 KiB over all its parts, our encoding not counted.
    pub const LIMIT: usize = 1024;

    /// The name of the record for `key` in `operation` in `namespace`.
    ///
    /// # Errors
    /// [`InvalidKey`] when all parts of the key are empty, a template's placeholder is, or the parts have more than
    /// [`LIMIT`](Self::LIMIT) bytes together.
    pub fn new(namespace: &str, operation: &str, key: &(impl KeyPart + ?Sized)) -> Result<Self, InvalidKey> {
        let mut writer = KeyWriter::new(USER_KEY);
        writer.prefix(namespace);
        writer.prefix(operation);
        let end = writer.len();
        key.write_to(&mut writer);
        writer.check()?;
        Ok(Self::of(writer.into_bytes(), operation.len(), end))
    }

    fn of(bytes: Buffer, operation: usize, end: usize) -> Self {
        // Only of an operation's name of 4 GiB would this be wrong, and harmless.
        let operation = ((end - operation) as u32, end as u32);
        Self { hash: hasher().hash_one(&*bytes), bytes: bytes.into(), operation }
    }

    /// A key read back from a store; `None` when the bytes are none of this library's.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&USER_KEY, rest) = bytes.split_first()? else {
            return None;
        };
        let (_, rest) = reader::length_prefixed(rest)?;
        let (operation, parts) = reader::length_prefixed(rest)?;
        std::str::from_utf8(operation).ok()?;
        let end = bytes.len() - parts.len();
        Some(Self::of(Buffer::of(bytes), operation.len(), end))
    }

    /// What all keys of `operation` in `namespace` begin with, and no others.
    #[must_use]
    pub fn prefix(namespace: &str, operation: &str) -> Vec<u8> {
        let mut writer = KeyWriter::new(USER_KEY);
        writer.prefix(namespace);
        writer.prefix(operation);
        writer.into_bytes().to_vec()
    }

    /// What all keys of its operation in its namespace begin with, and no others: the [`prefix`](Self::prefix) that lists it.
    #[must_use]
    pub fn scope(&self) -> &[u8] {
        self.bytes.get(..self.operation.1 as usize).unwrap_or_default()
    }

    /// The key's parts as a person reads them, such as `("acme", 17)`. For operators: it shows what clients sent, so it does
    /// not belong into logs.
    #[must_use]
    pub fn readable(&self) -> String {
        let (_, end) = self.operation;
        reader::readable(self.bytes.get(end as usize..).unwrap_or_default())
    }

    /// The bytes a store files the record under.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same key as if another one had its hash.
    #[cfg(test)]
    pub(crate) fn with_hash_of(self, other: &Self) -> Self {
        Self { hash: other.hash, ..self }
    }

    /// A hash that this process alone knows.
    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    /// The operation the key belongs to.
    #[must_use]
    pub fn operation(&self) -> &str {
        let (start, end) = self.operation;
        self.bytes.get(start as usize..end as usize).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && *self.bytes == *other.bytes
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, #{:016x})", self.operation(), self.hash)
    }
}

/// With seeds that no client can know.
fn hasher() -> SeedableRandomState {
    static SEEDS: OnceLock<(u64, SharedSeed)> = OnceLock::new();
    let (own, shared) = SEEDS.get_or_init(|| (random(), SharedSeed::from_u64(random())));
    SeedableRandomState::with_seed(*own, shared)
}

/// The hasher for maps keyed by [`Key`], which brings its hash along.
pub(crate) type Prehashed = BuildHasherDefault<TakeHash>;

/// Hands the one `u64` it is given through.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct TakeHash(u64);

impl Hasher for TakeHash {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
