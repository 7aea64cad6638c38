//! The idempotency key and its encoding, under which a store files the record.

mod bytes;
mod part;
mod writer;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::{OnceLock, PoisonError};

use bytes::{Buffer, Bytes};
use foldhash::quality::SeedableRandomState;
use foldhash::SharedSeed;
pub use part::{hash, Hashed, IntoKey, KeyPart};
pub use writer::KeyWriter;

use crate::error::InvalidKey;
use crate::sync::{seed as random, Mutex, MutexGuard};

/// The name of one record: namespace, operation and idempotency key, encoded.
///
/// Every part is written with its type and its length. So `("a", "b:c")` and `("a:b", "c")` are different keys, and so are
/// `1` and `"1"`. Integers are compared by value, not by width. The encoding is part of the stored format. `Debug` shows
/// the operation and never the key's text.
///
/// ```
/// use idem_core::Key;
///
/// let key = Key::new("billing", "payments.charge", &("acme", 17_u64))?;
/// assert_eq!(key, Key::new("billing", "payments.charge", &("acme", 17_i8))?);
/// assert_eq!((key.operation(), key.readable()), ("payments.charge", r#"("acme", 17)"#.to_owned()));
/// assert_eq!(Key::from_bytes(key.as_bytes()), Some(key));
/// # Ok::<(), idem_core::InvalidKey>(())
/// ```
#[derive(Clone)]
pub struct Key {
    /// Seeded per process, so that a client cannot construct collisions.
    hash: u64,
    bytes: Bytes,
    /// Where the operation's name begins and ends in `bytes`.
    operation: (u32, u32),
}

/// The first byte of every user's key. Other first bytes are reserved for the library.
const USER_KEY: u8 = 1;

impl Key {
    /// How many bytes the parts of a key may have together: 1,024. Tags, lengths, namespace and operation do not count.
    pub const LIMIT: usize = 1024;

    /// Encodes `key` of `operation` in `namespace`.
    ///
    /// # Errors
    /// [`InvalidKey`] when all parts are empty, a template's placeholder is empty, a hashed part cannot be serialized, the
    /// parts have more than [`LIMIT`](Self::LIMIT) bytes together, or there are too many parts.
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
        // Truncated only if the operation's name is 4 GiB long; `operation` then returns a wrong name or "".
        let operation = ((end - operation) as u32, end as u32);
        let mut hasher = hasher().build_hasher();
        hasher.write(&bytes);
        Self { hash: hasher.finish(), bytes: bytes.into(), operation }
    }

    /// Reads a key back from a store. `None` when the bytes are not an encoded user key.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&USER_KEY, rest) = bytes.split_first()? else {
            return None;
        };
        let (_, rest) = writer::length_prefixed(rest)?;
        let (operation, parts) = writer::length_prefixed(rest)?;
        std::str::from_utf8(operation).ok()?;
        let end = bytes.len() - parts.len();
        Some(Self::of(Buffer::of(bytes), operation.len(), end))
    }

    /// The bytes that all keys of `operation` in `namespace` begin with, and no other keys.
    #[must_use]
    pub fn prefix(namespace: &str, operation: &str) -> Vec<u8> {
        let mut writer = KeyWriter::new(USER_KEY);
        writer.prefix(namespace);
        writer.prefix(operation);
        writer.into_bytes().to_vec()
    }

    /// This key's [`prefix`](Self::prefix): the bytes that all keys of its operation and namespace begin with.
    #[must_use]
    pub fn scope(&self) -> &[u8] {
        self.bytes.get(..self.operation.1 as usize).unwrap_or_default()
    }

    /// The key's parts as text, such as `("acme", 17)`. It contains what clients sent: show it to operators, do not log it.
    #[must_use]
    pub fn readable(&self) -> String {
        let (_, end) = self.operation;
        writer::readable(self.bytes.get(end as usize..).unwrap_or_default())
    }

    /// The encoded key, under which a store files the record.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// This key with the hash of `other`, to test keys whose hashes collide.
    #[cfg(test)]
    pub(crate) fn with_hash_of(self, other: &Self) -> Self {
        Self { hash: other.hash, ..self }
    }

    /// The key's hash. Its seed differs from process to process.
    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    /// The name of the operation that the key belongs to.
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

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By the encoded bytes.
impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

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

/// Seeded per process, so that a client cannot construct collisions.
fn hasher() -> SeedableRandomState {
    static SEEDS: OnceLock<(u64, SharedSeed)> = OnceLock::new();
    let (own, shared) = SEEDS.get_or_init(|| (random(), SharedSeed::from_u64(random())));
    SeedableRandomState::with_seed(*own, shared)
}

/// The hasher for maps keyed by [`Key`]: it returns the hash that the key already holds.
pub(crate) type Prehashed = BuildHasherDefault<TakeHash>;

/// Returns the `u64` that [`Key`]'s `Hash` writes.
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

/// How many shards [`Sharded`] has. A power of two.
const SHARDS: usize = 64;

/// One `S` a shard of the keys, each behind its own lock.
#[derive(Debug)]
pub(crate) struct Sharded<S>([Mutex<S>; SHARDS]);

impl<S: Default> Default for Sharded<S> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl<S> Sharded<S> {
    pub(crate) fn lock(&self, key: &Key) -> MutexGuard<'_, S> {
        self.shard(key).lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, key: &Key) -> &Mutex<S> {
        let [first, ..] = &self.0;
        // The high bits, because the maps inside a shard use the low bits.
        self.0.get((key.hash >> 48) as usize % SHARDS).unwrap_or(first)
    }

    /// Locks all shards, one after the other.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, S>> {
        self.0.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
