//! The key encoding.

use super::bytes::Buffer;
use super::Key;
use crate::error::InvalidKey;

/// Collects the parts of a key.
///
/// Every part is written with its type and its length, so parts cannot run into each other. An implementation of
/// [`KeyPart`](super::KeyPart) for a type of your own usually passes the writer on to the parts it is made of:
///
/// ```
/// use idem_core::{KeyPart, KeyWriter};
///
/// struct OrderId(u64);
///
/// impl KeyPart for OrderId {
///     fn write_to(&self, key: &mut KeyWriter) {
///         self.0.write_to(key);
///     }
/// }
/// ```
#[derive(Debug)]
pub struct KeyWriter {
    bytes: Buffer,
    /// How many bytes the user wrote, without types, lengths and prefixes.
    users: usize,
    /// How many bytes the program's own texts before the parts have.
    prefix: usize,
    /// The first part that cannot be one.
    invalid: Option<InvalidKey>,
}

/// The type of a part, its first byte.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Tag {
    Text = 1,
    Bytes = 2,
    NonNegative = 3,
    Negative = 4,
    Bool = 5,
    Char = 6,
    #[cfg(feature = "uuid")]
    Uuid = 7,
    TupleStart = 8,
    ElementEnd = 9,
    TupleEnd = 10,
    Hashed = 11,
}

impl KeyWriter {
    pub(super) fn new(first: u8) -> Self {
        let mut bytes = Buffer::new();
        bytes.push(first);
        Self { bytes, users: 0, prefix: 0, invalid: None }
    }

    /// Writes a part that is text.
    pub fn text(&mut self, text: &str) {
        self.part(Tag::Text, text.as_bytes());
    }

    /// Writes a part that is bytes; never equal to a text of the same bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.part(Tag::Bytes, bytes);
    }

    /// Writes what a template's placeholder came out as. Unlike other parts it may not be empty.
    pub(crate) fn placeholder(&mut self, text: &str) {
        if text.is_empty() {
            self.invalid.get_or_insert(InvalidKey::EmptyPlaceholder);
        }
        self.text(text);
    }

    /// Writes a hash; `None` is that of a value which cannot be serialized.
    pub(super) fn hashed(&mut self, hash: Option<&[u8; 32]>) {
        match hash {
            Some(hash) => self.part(Tag::Hashed, hash),
            None => {
                self.invalid.get_or_insert(InvalidKey::Unserializable);
            }
        }
    }

    /// Integers count by value: sign and magnitude, without leading zeros, but at least one byte, for zero is no empty key.
    pub(super) fn integer(&mut self, negative: bool, magnitude: u128) {
        let tag = if negative { Tag::Negative } else { Tag::NonNegative };
        let bytes = magnitude.to_be_bytes();
        let zeros = (magnitude.leading_zeros() / 8).min(15) as usize;
        self.part(tag, bytes.get(zeros..).unwrap_or(&bytes));
    }

    pub(super) fn tuple_start(&mut self) {
        self.mark(Tag::TupleStart);
    }

    /// Closes one element, so that a part of several values cannot lend one to its neighbour.
    pub(super) fn element_end(&mut self) {
        self.mark(Tag::ElementEnd);
    }

    pub(super) fn tuple_end(&mut self) {
        self.mark(Tag::TupleEnd);
    }

    pub(super) fn part(&mut self, tag: Tag, bytes: &[u8]) {
        self.users = self.users.saturating_add(bytes.len());
        // What is over the limit is counted, for the error, and not kept.
        if self.users <= Key::LIMIT && self.room() {
            self.mark(tag);
            self.length(bytes.len());
            self.bytes.extend(bytes);
        }
    }

    /// A text of the program's own, before the user's parts.
    pub(super) fn prefix(&mut self, text: &str) {
        self.length(text.len());
        self.bytes.extend(text.as_bytes());
        self.prefix = self.bytes.len();
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn into_bytes(self) -> Buffer {
        self.bytes
    }

    /// Whether what was written is a key.
    pub(super) fn check(&self) -> Result<(), InvalidKey> {
        match self.invalid {
            Some(invalid) => Err(invalid),
            None if self.users == 0 => Err(InvalidKey::Empty),
            None if self.users > Key::LIMIT => Err(InvalidKey::TooLong { bytes: self.users }),
            None => Ok(()),
        }
    }

    fn mark(&mut self, tag: Tag) {
        if self.room() {
            self.bytes.push(tag as u8);
        }
    }

    /// Whether there is room for more parts. Empty ones have no bytes of their own and are bounded all the same.
    fn room(&mut self) -> bool {
        let room = self.bytes.len() - self.prefix < 8 * Key::LIMIT;
        if !room {
            self.invalid.get_or_insert(InvalidKey::TooManyParts);
        }
        room
    }

    /// LEB128.
    fn length(&mut self, mut length: usize) {
        while length >= 0x80 {
            self.bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        self.bytes.push(length as u8);
    }
}
