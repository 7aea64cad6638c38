//! How a key's bytes are held in memory.

use std::ops::Deref;
use std::sync::Arc;

/// How many bytes are stored inline: enough for a namespace, an operation's name and a UUID. A `Key` then has 96 bytes.
const SHORT: usize = 78;

/// The bytes of a key: inline up to [`SHORT`], so that most keys need no allocation; otherwise shared.
#[derive(Clone)]
pub(super) enum Bytes {
    Short(u8, [u8; SHORT]),
    Long(Arc<[u8]>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or(bytes),
            Self::Long(bytes) => bytes,
        }
    }
}

/// The bytes of a key while it is being encoded.
#[derive(Debug)]
pub(super) struct Buffer {
    short: [u8; SHORT],
    length: usize,
    /// All bytes, once they do not fit in `short`; empty before.
    long: Vec<u8>,
}

impl Buffer {
    pub(super) const fn new() -> Self {
        Self { short: [0; SHORT], length: 0, long: Vec::new() }
    }

    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut buffer = Self::new();
        buffer.extend(bytes);
        buffer
    }

    pub(super) fn push(&mut self, byte: u8) {
        match self.short.get_mut(self.length) {
            Some(place) => {
                *place = byte;
                self.length += 1;
            }
            None => self.spill(&[byte]),
        }
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        match self.short.get_mut(self.length..self.length + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.length += bytes.len();
            }
            None => self.spill(bytes),
        }
    }

    /// Moves the bytes to `long`. From then on `length` exceeds `short`, so that every write ends here.
    #[cold]
    fn spill(&mut self, bytes: &[u8]) {
        if self.long.is_empty() {
            self.long.extend_from_slice(self.short.get(..self.length).unwrap_or_default());
        }
        self.long.extend_from_slice(bytes);
        self.length = self.long.len();
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        if self.long.is_empty() {
            return self.short.get(..self.length).unwrap_or_default();
        }
        &self.long
    }
}

impl From<Buffer> for Bytes {
    #[inline]
    fn from(buffer: Buffer) -> Self {
        match u8::try_from(buffer.length) {
            Ok(length) if buffer.long.is_empty() => Self::Short(length, buffer.short),
            _ => Self::Long(buffer.long.into()),
        }
    }
}
