//! Different keys have different names, equal ones the same, and what is read back is what was written.

use arbitrary::{Arbitrary, Result, Unstructured};
use idem_core::private::{part, placeholder, Placeholder};
use idem_core::{hash, InvalidKey, Key, KeyPart, KeyWriter};

/// A key as a user may write one.
#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Placeholder(String),
    Integer(Integer),
    Bool(bool),
    Char(char),
    Bytes(Vec<u8>),
    Uuid([u8; 16]),
    Hashed(u8),
    Tuple(Vec<Part>),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Integer {
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    Usize(usize),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    I128(i128),
    Isize(isize),
}

/// What is the same in two keys that count as one.
#[derive(Debug, PartialEq, Eq)]
enum Same<'a> {
    Text(&'a str),
    Integer(bool, u128),
    Bool(bool),
    Char(char),
    Bytes(&'a [u8]),
    Uuid(&'a [u8]),
    Hashed(u8),
    Tuple(Vec<Same<'a>>),
}

/// Short, and of few letters, most of which the encoding uses for itself: so keys nearly meet.
fn text(u: &mut Unstructured<'_>) -> Result<String> {
    match u.int_in_range(0..=9)? {
        0 => u.arbitrary(),
        1 => Ok("x".repeat(u.int_in_range(1000..=1030)?)),
        length => (0..length / 2).map(|_| Ok(char::from(u.int_in_range(0..=12_u8)?))).collect(),
    }
}

impl Part {
    fn arbitrary(u: &mut Unstructured<'_>, depth: u32) -> Result<Self> {
        Ok(match u.int_in_range(0..=if depth < 4 { 11 } else { 8 })? {
            0 | 1 => Self::Text(text(u)?),
            2 => Self::Placeholder(text(u)?),
            3 | 4 => Self::Integer(u.arbitrary()?),
            5 => Self::Bool(u.arbitrary()?),
            6 => Self::Char(u.arbitrary()?),
            7 => Self::Bytes(text(u)?.into_bytes()),
            8 if u.arbitrary()? => Self::Uuid(u.arbitrary()?),
            8 => Self::Hashed(u.arbitrary()?),
            _ => {
                let length = u.int_in_range(1..=4)?;
                Self::Tuple((0..length).map(|_| Self::arbitrary(u, depth + 1)).collect::<Result<_>>()?)
            }
        })
    }

    fn same(&self) -> Same<'_> {
        match self {
            Self::Text(text) | Self::Placeholder(text) => Same::Text(text),
            Self::Integer(integer) => {
                let (negative, magnitude) = integer.value();
                Same::Integer(negative, magnitude)
            }
            Self::Bool(bool) => Same::Bool(*bool),
            Self::Char(char) => Same::Char(*char),
            Self::Bytes(bytes) => Same::Bytes(bytes),
            Self::Uuid(uuid) => Same::Uuid(uuid),
            Self::Hashed(hashed) => Same::Hashed(*hashed),
            Self::Tuple(parts) => Same::Tuple(parts.iter().map(Self::same).collect()),
        }
    }

    /// Another way to write the same key.
    fn otherwise(&self) -> Self {
        match self {
            Self::Integer(integer) => Self::Integer(integer.wider()),
            Self::Tuple(parts) => Self::Tuple(parts.iter().map(Self::otherwise).collect()),
            other => other.clone(),
        }
    }

    /// How many bytes the user brought, as the contract counts them: an integer has those of its value, and at least one.
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Placeholder(text) => text.len(),
            Self::Integer(integer) => (16 - integer.value().1.leading_zeros() as usize / 8).max(1),
            Self::Bool(_) => 1,
            Self::Char(char) => char.len_utf8(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Uuid(_) => 16,
            Self::Hashed(_) => 32,
            Self::Tuple(parts) => parts.iter().map(Self::bytes).sum(),
        }
    }

    fn has_empty_placeholder(&self) -> bool {
        match self {
            Self::Placeholder(text) => text.is_empty(),
            Self::Tuple(parts) => parts.iter().any(Self::has_empty_placeholder),
            _ => false,
        }
    }

    /// As a person reads it.
    fn readable(&self) -> Option<String> {
        Some(match self {
            Self::Text(text) | Self::Placeholder(text) => format!("{text:?}"),
            Self::Integer(integer) => match integer.value() {
                (true, magnitude) => format!("-{magnitude}"),
                (false, magnitude) => magnitude.to_string(),
            },
            Self::Bool(bool) => bool.to_string(),
            Self::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Self::Uuid(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Self::Char(char) => format!("{char:?}"),
            Self::Hashed(_) => return None,
            Self::Tuple(parts) => {
                let parts: Option<Vec<_>> = parts.iter().map(Self::readable).collect();
                format!("({})", parts?.join(", "))
            }
        })
    }
}

impl Integer {
    fn value(self) -> (bool, u128) {
        match self {
            Self::U8(n) => (false, n.into()),
            Self::U16(n) => (false, n.into()),
            Self::U32(n) => (false, n.into()),
            Self::U64(n) => (false, n.into()),
            Self::U128(n) => (false, n),
            Self::Usize(n) => (false, n as u128),
            Self::I8(n) => (n < 0, n.unsigned_abs().into()),
            Self::I16(n) => (n < 0, n.unsigned_abs().into()),
            Self::I32(n) => (n < 0, n.unsigned_abs().into()),
            Self::I64(n) => (n < 0, n.unsigned_abs().into()),
            Self::I128(n) => (n < 0, n.unsigned_abs()),
            Self::Isize(n) => (n < 0, n.unsigned_abs() as u128),
        }
    }

    fn wider(self) -> Self {
        match self.value() {
            (false, magnitude) => i128::try_from(magnitude).map_or(Self::U128(magnitude), Self::I128),
            (true, magnitude) => Self::I128((magnitude as i128).wrapping_neg()),
        }
    }
}

impl KeyPart for Part {
    fn write_to(&self, key: &mut KeyWriter) {
        match self {
            Self::Text(text) => text.write_to(key),
            Self::Placeholder(text) => {
                let text: Placeholder = placeholder(text);
                text.write_to(key);
            }
            Self::Integer(integer) => match integer {
                Integer::U8(n) => n.write_to(key),
                Integer::U16(n) => n.write_to(key),
                Integer::U32(n) => n.write_to(key),
                Integer::U64(n) => n.write_to(key),
                Integer::U128(n) => n.write_to(key),
                Integer::Usize(n) => n.write_to(key),
                Integer::I8(n) => n.write_to(key),
                Integer::I16(n) => n.write_to(key),
                Integer::I32(n) => n.write_to(key),
                Integer::I64(n) => n.write_to(key),
                Integer::I128(n) => n.write_to(key),
                Integer::Isize(n) => n.write_to(key),
            },
            Self::Bool(bool) => bool.write_to(key),
            Self::Char(char) => char.write_to(key),
            Self::Bytes(bytes) => bytes.write_to(key),
            Self::Uuid(bytes) => uuid::Uuid::from_bytes(*bytes).write_to(key),
            Self::Hashed(value) => hash(value).write_to(key),
            Self::Tuple(parts) => match &parts[..] {
                [a] => (a,).write_to(key),
                [a, b] => (a, part(b)).write_to(key),
                [a, b, c] => (a, b, c).write_to(key),
                [a, b, c, d] => (a, Box::new(b), c, d).write_to(key),
                _ => unreachable!("tuples of one to four"),
            },
        }
    }
}

/// Namespace, operation and key.
struct Named {
    namespace: String,
    operation: String,
    part: Part,
}

impl Named {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(Self { namespace: text(u)?, operation: text(u)?, part: Part::arbitrary(u, 0)? })
    }

    fn key(&self) -> Option<Key> {
        let key = Key::new(&self.namespace, &self.operation, &self.part);
        let bytes = self.part.bytes();
        match &key {
            Ok(_) => assert!((1..=1024).contains(&bytes) && !self.part.has_empty_placeholder(), "{:?}", self.part),
            Err(InvalidKey::Empty) => assert_eq!(bytes, 0),
            Err(InvalidKey::EmptyPlaceholder) => assert!(self.part.has_empty_placeholder()),
            Err(InvalidKey::TooLong { bytes: said, .. }) => assert!(bytes > 1024 && *said == bytes, "{said} {bytes}"),
            Err(other) => panic!("{other:?} of {:?}", self.part),
        }
        key.ok()
    }
}

pub fn check(bytes: &[u8]) {
    decodes(bytes);
    let _ = structured(&mut Unstructured::new(bytes));
}

/// Any bytes are a key that says them, or none.
fn decodes(bytes: &[u8]) {
    for bytes in [bytes.to_vec(), [&[1], bytes].concat()] {
        let Some(key) = Key::from_bytes(&bytes) else { continue };
        assert_eq!((key.as_bytes(), bytes[0]), (&*bytes, 1), "none but a user's");
        assert!(bytes.starts_with(key.scope()));
        let (_, _, _) = (key.readable(), key.operation().len(), format!("{key:?}"));
    }
}

fn structured(u: &mut Unstructured<'_>) -> Result<()> {
    let one = Named::arbitrary(u)?;
    let Some(key) = one.key() else { return Ok(()) };
    read_back(&one, &key);
    let otherwise =
        Named { part: one.part.otherwise(), namespace: one.namespace.clone(), operation: one.operation.clone() };
    assert_eq!(otherwise.key().as_ref(), Some(&key), "it is the same in other types");
    let other = if u.arbitrary()? { Named { part: Part::arbitrary(u, 0)?, ..otherwise } } else { Named::arbitrary(u)? };
    let Some(others) = other.key() else { return Ok(()) };
    let scoped = (&one.namespace, &one.operation) == (&other.namespace, &other.operation);
    let same = scoped && one.part.same() == other.part.same();
    assert_eq!(key.as_bytes() == others.as_bytes(), same, "{:?} and {:?}", one.part, other.part);
    assert_eq!(key == others, same);
    let prefix = Key::prefix(&other.namespace, &other.operation);
    assert_eq!(key.as_bytes().starts_with(&prefix), scoped, "one operation's prefix is no other's");
    Ok(())
}

fn read_back(one: &Named, key: &Key) {
    let read = Key::from_bytes(key.as_bytes()).expect("it was written");
    assert_eq!((&read, read.operation()), (key, &*one.operation));
    assert_eq!(key.as_bytes()[0], 1, "no client addresses the library's own keys");
    assert_eq!(read.scope(), Key::prefix(&one.namespace, &one.operation));
    if let Some(readable) = one.part.readable() {
        assert_eq!(read.readable(), readable);
    }
}
