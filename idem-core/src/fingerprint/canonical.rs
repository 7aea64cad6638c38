//! The canonical form: a serde data format that is only written, never read. `docs/design.md` describes it.
//!
//! Every value is written with its kind and its length or end, so that different values have different bytes. Map entries
//! are sorted by their bytes. A struct is written as a map. `None`, `Some(())` and `()` differ: so the engine detects a
//! codec that confuses them.

use std::fmt;
use std::ops::Range;

use serde::ser::{self, Serialize};

use super::Unserializable;

/// What is sorted, in addition to the entries of maps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sorting {
    /// The fields of structs, because a program may reorder them. For fingerprints.
    Fields,
    /// Sequences, because a set has no order. For comparing a value with its decoded encoding, whose fields have the same
    /// order.
    Sequences,
}

pub(super) fn bytes<T: Serialize + ?Sized>(value: &T, sorting: Sorting) -> Result<Vec<u8>, Unserializable> {
    let mut canonical = Canonical { bytes: Vec::with_capacity(256), entries: Vec::new(), sorting, depth: 0 };
    value.serialize(&mut canonical)?;
    Ok(canonical.bytes)
}

#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    End,
    None,
    Some,
    Unit,
    Bool,
    NonNegative,
    Negative,
    Float,
    Text,
    Bytes,
    Sequence,
    Map,
    Variant,
}

/// How deep values may be nested. A deeper value could overflow the stack, which ends the process.
const MAX_DEPTH: u32 = 1024;

struct Canonical {
    bytes: Vec<u8>,
    /// The places in `bytes` of the entries of all open compounds that are sorted.
    entries: Vec<Range<usize>>,
    sorting: Sorting,
    depth: u32,
}

impl Canonical {
    fn kind(&mut self, kind: Kind) {
        self.bytes.push(kind as u8);
    }

    fn block(&mut self, kind: Kind, content: &[u8]) {
        self.kind(kind);
        self.bytes.extend_from_slice(&(content.len() as u64).to_be_bytes());
        self.bytes.extend_from_slice(content);
    }

    fn integer(&mut self, negative: bool, magnitude: u128) {
        self.kind(if negative { Kind::Negative } else { Kind::NonNegative });
        self.bytes.extend_from_slice(&magnitude.to_be_bytes());
    }

    fn open(&mut self, kind: Kind, sorted: bool) -> Compound<'_> {
        self.kind(kind);
        Compound { start: self.bytes.len(), first: self.entries.len(), sorted, to: self }
    }

    fn sequence(&mut self) -> Compound<'_> {
        self.open(Kind::Sequence, self.sorting == Sorting::Sequences)
    }

    fn fields(&mut self) -> Compound<'_> {
        self.open(Kind::Map, self.sorting == Sorting::Fields)
    }

    /// Writes a value that is part of another one.
    fn inner<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unserializable> {
        if self.depth == MAX_DEPTH {
            return Err(Unserializable(format!("it is nested more than {MAX_DEPTH} levels deep").into()));
        }
        self.depth += 1;
        value.serialize(&mut *self)?;
        self.depth -= 1;
        Ok(())
    }

    fn variant(&mut self, name: &str) {
        self.block(Kind::Variant, name.as_bytes());
    }
}

/// A sequence or map that is being written.
struct Compound<'a> {
    to: &'a mut Canonical,
    start: usize,
    /// The index of its first entry in `Canonical::entries`.
    first: usize,
    sorted: bool,
}

impl Compound<'_> {
    fn entry(
        &mut self,
        write: impl FnOnce(&mut Canonical) -> Result<(), Unserializable>,
    ) -> Result<(), Unserializable> {
        let start = self.to.bytes.len();
        write(self.to)?;
        if self.sorted {
            self.to.entries.push(start..self.to.bytes.len());
        }
        Ok(())
    }

    fn finish(self) {
        let Canonical { bytes, entries, .. } = &mut *self.to;
        let at = |entry: &Range<usize>| bytes.get(entry.clone()).unwrap_or_default();
        let its = entries.get_mut(self.first..).unwrap_or_default();
        if !its.is_sorted_by(|a, b| at(a) <= at(b)) {
            its.sort_by(|a, b| at(a).cmp(at(b)));
            // Append the entries once more in their order, then remove the unsorted ones.
            let end = bytes.len();
            for entry in its {
                // A map that breaks serde's rules (a value without a key) may leave a place that is out of bounds.
                if bytes.get(entry.clone()).is_some() {
                    bytes.extend_from_within(entry.clone());
                }
            }
            bytes.drain(self.start..end);
        }
        entries.truncate(self.first);
        self.to.kind(Kind::End);
    }
}

macro_rules! integers {
    ($($method:ident: $integer:ty, $negative:expr, $magnitude:expr;)*) => {$(
        fn $method(self, value: $integer) -> Result<(), Unserializable> {
            #[allow(clippy::redundant_closure_call)]
            self.integer(($negative)(value), ($magnitude)(value));
            Ok(())
        }
    )*};
}

impl<'a> ser::Serializer for &'a mut Canonical {
    type Ok = ();
    type Error = Unserializable;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;

    integers! {
        serialize_i8: i8, |v| v < 0, |v: i8| v.unsigned_abs().into();
        serialize_i16: i16, |v| v < 0, |v: i16| v.unsigned_abs().into();
        serialize_i32: i32, |v| v < 0, |v: i32| v.unsigned_abs().into();
        serialize_i64: i64, |v| v < 0, |v: i64| v.unsigned_abs().into();
        serialize_i128: i128, |v| v < 0, |v: i128| v.unsigned_abs();
        serialize_u8: u8, |_| false, u128::from;
        serialize_u16: u16, |_| false, u128::from;
        serialize_u32: u32, |_| false, u128::from;
        serialize_u64: u64, |_| false, u128::from;
        serialize_u128: u128, |_| false, |v| v;
    }

    fn serialize_bool(self, value: bool) -> Result<(), Unserializable> {
        self.kind(Kind::Bool);
        self.bytes.push(value.into());
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Unserializable> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Unserializable> {
        self.kind(Kind::Float);
        self.bytes.extend_from_slice(&value.to_bits().to_be_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Unserializable> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Unserializable> {
        self.block(Kind::Text, value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Unserializable> {
        self.block(Kind::Bytes, value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Unserializable> {
        self.kind(Kind::None);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unserializable> {
        self.kind(Kind::Some);
        self.inner(value)
    }

    fn serialize_unit(self) -> Result<(), Unserializable> {
        self.kind(Kind::Unit);
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Unserializable> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Unserializable> {
        self.variant(variant);
        self.serialize_unit()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Unserializable> {
        self.inner(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Unserializable> {
        self.variant(variant);
        self.inner(value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'a>, Unserializable> {
        Ok(self.sequence())
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'a>, Unserializable> {
        Ok(self.open(Kind::Sequence, false))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, Unserializable> {
        Ok(self.open(Kind::Sequence, false))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a>, Unserializable> {
        self.variant(variant);
        Ok(self.open(Kind::Sequence, false))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'a>, Unserializable> {
        Ok(self.open(Kind::Map, true))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, Unserializable> {
        Ok(self.fields())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a>, Unserializable> {
        self.variant(variant);
        Ok(self.fields())
    }
}

macro_rules! elements {
    ($($compound:ident $method:ident),*) => {$(
        impl ser::$compound for Compound<'_> {
            type Ok = ();
            type Error = Unserializable;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unserializable> {
                self.entry(|to| to.inner(value))
            }

            fn end(self) -> Result<(), Unserializable> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

elements!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

macro_rules! fields {
    ($($compound:ident),*) => {$(
        impl ser::$compound for Compound<'_> {
            type Ok = ();
            type Error = Unserializable;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Unserializable> {
                self.entry(|to| {
                    to.block(Kind::Text, name.as_bytes());
                    to.inner(value)
                })
            }

            fn end(self) -> Result<(), Unserializable> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Unserializable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unserializable> {
        self.entry(|to| to.inner(key))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unserializable> {
        self.to.inner(value)?;
        // The key began the entry; extend it over the value.
        if let Some(entry) = self.to.entries.last_mut() {
            entry.end = self.to.bytes.len();
        }
        Ok(())
    }

    fn end(self) -> Result<(), Unserializable> {
        self.finish();
        Ok(())
    }
}

impl ser::Error for Unserializable {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string().into())
    }
}

#[cfg(test)]
mod tests;
