//! The key encoding and its way back. `docs/design.md` describes it.

use super::bytes::Buffer;
use super::Key;
use crate::error::InvalidKey;

/// Writes the parts of a key.
///
/// Every part is written with its type and its length, so that different parts never have the same bytes. An implementation
/// of [`KeyPart`](super::KeyPart) for your own type usually passes the writer to the fields:
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
    /// The bytes of the user's parts, without tags, lengths and prefixes.
    users: usize,
    /// The length of the encoding before the user's parts.
    prefix: usize,
    /// Why the first invalid part is invalid.
    invalid: Option<InvalidKey>,
}

/// The first byte of a part: its type.
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

    /// Writes a text part.
    pub fn text(&mut self, text: &str) {
        self.part(Tag::Text, text.as_bytes());
    }

    /// Writes a bytes part. It differs from a text part of the same bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.part(Tag::Bytes, bytes);
    }

    /// Writes the value of a template's placeholder. Unlike other parts it must not be empty.
    pub(crate) fn placeholder(&mut self, text: &str) {
        if text.is_empty() {
            self.invalid.get_or_insert(InvalidKey::EmptyPlaceholder);
        }
        self.text(text);
    }

    /// Writes a hash. `None`, of a value that cannot be serialized, makes the key invalid.
    pub(super) fn hashed(&mut self, hash: Option<&[u8; 32]>) {
        match hash {
            Some(hash) => self.part(Tag::Hashed, hash),
            None => {
                self.invalid.get_or_insert(InvalidKey::Unserializable);
            }
        }
    }

    /// Writes sign and magnitude, without leading zero bytes, so that integers are compared by value. At least one byte,
    /// because zero must not be an empty key.
    #[inline]
    pub(super) fn integer(&mut self, negative: bool, magnitude: u128) {
        let tag = if negative { Tag::Negative } else { Tag::NonNegative };
        let bytes = magnitude.to_be_bytes();
        let zeros = (magnitude.leading_zeros() / 8).min(15) as usize;
        self.part(tag, bytes.get(zeros..).unwrap_or(&bytes));
    }

    pub(super) fn tuple_start(&mut self) {
        self.mark(Tag::TupleStart);
    }

    /// Ends one element. Without it, the values of an element that writes several could be read as its neighbour's.
    pub(super) fn element_end(&mut self) {
        self.mark(Tag::ElementEnd);
    }

    pub(super) fn tuple_end(&mut self) {
        self.mark(Tag::TupleEnd);
    }

    #[inline]
    pub(super) fn part(&mut self, tag: Tag, bytes: &[u8]) {
        self.users = self.users.saturating_add(bytes.len());
        // Bytes over the limit are counted for the error, not kept.
        if self.users <= Key::LIMIT && self.room() {
            self.mark(tag);
            self.length(bytes.len());
            self.bytes.extend(bytes);
        }
    }

    /// Writes the namespace or the operation's name, before the user's parts.
    #[inline]
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

    /// Fails when the written parts are not a valid key.
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

    /// Whether there is room for one more part. Limits the number of empty parts, which [`Key::LIMIT`] does not count.
    fn room(&mut self) -> bool {
        let room = self.bytes.len() - self.prefix < 8 * Key::LIMIT;
        if !room {
            self.invalid.get_or_insert(InvalidKey::TooManyParts);
        }
        room
    }

    /// Writes `length` in LEB128.
    fn length(&mut self, mut length: usize) {
        while length >= 0x80 {
            self.bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        self.bytes.push(length as u8);
    }
}

/// Reads a length in LEB128 and that many bytes; also returns the bytes after them.
pub(super) fn length_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut length, mut shift, mut rest) = (0_usize, 0, bytes);
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    (length <= rest.len()).then(|| rest.split_at(length))
}

/// The parts of a key as Rust source text. Bytes that are not a valid part are shown in hexadecimal.
pub(super) fn readable(mut parts: &[u8]) -> String {
    let mut text = String::new();
    while let Some((&tag, rest)) = parts.split_first() {
        parts = rest;
        match tag {
            tag if tag == Tag::TupleStart as u8 => text.push('('),
            tag if tag == Tag::TupleEnd as u8 => {
                // Only the last ", ": an empty bytes part before it is shown as "", so that there may be two.
                text.truncate(text.strip_suffix(", ").unwrap_or(&text).len());
                text.push(')');
            }
            tag if tag == Tag::ElementEnd as u8 => text.push_str(", "),
            tag => match length_prefixed(rest) {
                Some((part, rest)) => {
                    parts = rest;
                    text.push_str(&one(tag, part));
                }
                None => return format!("{text}{}", hex(rest)),
            },
        }
    }
    text
}

fn one(tag: u8, part: &[u8]) -> String {
    let number = || part.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    match std::str::from_utf8(part) {
        Ok(part) if tag == Tag::Text as u8 => format!("{part:?}"),
        Ok(part) if tag == Tag::Char as u8 => part.chars().map(|char| format!("{char:?}")).collect(),
        _ if tag == Tag::NonNegative as u8 => number().to_string(),
        _ if tag == Tag::Negative as u8 => format!("-{}", number()),
        _ if tag == Tag::Bool as u8 => (number() != 0).to_string(),
        _ => hex(part),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
