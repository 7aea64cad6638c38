//! A value of any shape that serde knows.

use arbitrary::{Arbitrary, Result, Unstructured};
use serde::ser::{
    SerializeMap as _, SerializeSeq as _, SerializeStruct as _, SerializeStructVariant as _, SerializeTuple as _,
    SerializeTupleStruct as _, SerializeTupleVariant as _,
};
use serde::{Serialize, Serializer};

#[derive(Debug, Clone)]
pub(crate) enum Tree {
    Bool(bool),
    Integer(Integer),
    F32(f32),
    F64(f64),
    Char(char),
    Text(String),
    Bytes(Vec<u8>),
    None,
    Some(Box<Tree>),
    Unit,
    UnitVariant(Name),
    Newtype(Box<Tree>),
    NewtypeVariant(Name, Box<Tree>),
    /// As a sequence, a tuple, a tuple struct.
    Sequence(u8, Vec<Tree>),
    TupleVariant(Name, Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
    Struct(Vec<(Name, Tree)>),
    StructVariant(Name, Vec<(Name, Tree)>),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub(crate) enum Integer {
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    I128(i128),
}

/// Serde's names live for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub(crate) enum Name {
    A,
    B,
    Ab,
    Empty,
}

impl Name {
    fn text(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::Ab => "ab",
            Self::Empty => "",
        }
    }
}

/// What is the same in two values that count as one: the order of maps and fields and the width of integers does not count,
/// structs are maps, a newtype is what is in it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Same {
    Bool(bool),
    Integer(bool, u128),
    Float(u64),
    Text(String),
    Bytes(Vec<u8>),
    None,
    Some(Box<Same>),
    Unit,
    Variant(&'static str, Box<Same>),
    Sequence(Vec<Same>),
    Map(Vec<(Same, Same)>),
}

fn text(u: &mut Unstructured<'_>) -> Result<String> {
    (0..u.int_in_range(0..=3)?).map(|_| Ok(char::from(u.int_in_range(0..=12_u8)?))).collect()
}

fn trees(u: &mut Unstructured<'_>, depth: u32) -> Result<Vec<Tree>> {
    (0..u.int_in_range(0..=3)?).map(|_| Tree::arbitrary(u, depth + 1)).collect()
}

fn fields(u: &mut Unstructured<'_>, depth: u32) -> Result<Vec<(Name, Tree)>> {
    (0..u.int_in_range(0..=3)?).map(|_| Ok((u.arbitrary()?, Tree::arbitrary(u, depth + 1)?))).collect()
}

impl Tree {
    pub(crate) fn arbitrary(u: &mut Unstructured<'_>, depth: u32) -> Result<Self> {
        Ok(match u.int_in_range(0..=if depth < 5 { 18 } else { 9 })? {
            0 => Self::Bool(u.arbitrary()?),
            1 => Self::Integer(u.arbitrary()?),
            2 => Self::F32(u.arbitrary()?),
            3 => Self::F64(u.arbitrary()?),
            4 => Self::Char(u.arbitrary()?),
            5 => Self::Text(text(u)?),
            6 => Self::Bytes(text(u)?.into_bytes()),
            7 => Self::None,
            8 => Self::Unit,
            9 => Self::UnitVariant(u.arbitrary()?),
            10 => Self::Some(Box::new(Self::arbitrary(u, depth + 1)?)),
            11 => Self::Newtype(Box::new(Self::arbitrary(u, depth + 1)?)),
            12 => Self::NewtypeVariant(u.arbitrary()?, Box::new(Self::arbitrary(u, depth + 1)?)),
            13 | 14 => Self::Sequence(u.int_in_range(0..=2)?, trees(u, depth)?),
            15 => Self::TupleVariant(u.arbitrary()?, trees(u, depth)?),
            16 => {
                let pair =
                    |u: &mut Unstructured<'_>| Ok((Self::arbitrary(u, depth + 1)?, Self::arbitrary(u, depth + 1)?));
                Self::Map((0..u.int_in_range(0..=3)?).map(|_| pair(u)).collect::<Result<_>>()?)
            }
            17 => Self::Struct(fields(u, depth)?),
            _ => Self::StructVariant(u.arbitrary()?, fields(u, depth)?),
        })
    }

    /// The same value, with each map and struct the other way round, and its integers wider.
    pub(crate) fn otherwise(&self) -> Self {
        let all = |trees: &[Tree]| trees.iter().map(Tree::otherwise).collect();
        let fields =
            |fields: &[(Name, Tree)]| fields.iter().rev().map(|(name, tree)| (*name, tree.otherwise())).collect();
        match self {
            Self::Integer(integer) => Self::Integer(integer.wider()),
            Self::Some(tree) => Self::Some(Box::new(tree.otherwise())),
            Self::Newtype(tree) => tree.otherwise(),
            Self::NewtypeVariant(name, tree) => Self::NewtypeVariant(*name, Box::new(tree.otherwise())),
            Self::Sequence(kind, trees) => Self::Sequence((kind + 1) % 3, all(trees)),
            Self::TupleVariant(name, trees) => Self::TupleVariant(*name, all(trees)),
            Self::Map(pairs) => {
                Self::Map(pairs.iter().rev().map(|(key, value)| (key.otherwise(), value.otherwise())).collect())
            }
            Self::Struct(given) => Self::Struct(fields(given)),
            Self::StructVariant(name, given) => Self::StructVariant(*name, fields(given)),
            other => other.clone(),
        }
    }

    pub(crate) fn same(&self) -> Same {
        let fields = |fields: &[(Name, Tree)]| {
            let mut same: Vec<_> =
                fields.iter().map(|(name, tree)| (Same::Text(name.text().to_owned()), tree.same())).collect();
            same.sort();
            Same::Map(same)
        };
        let all = |trees: &[Tree]| Same::Sequence(trees.iter().map(Tree::same).collect());
        match self {
            Self::Bool(bool) => Same::Bool(*bool),
            Self::Integer(integer) => {
                let (negative, magnitude) = integer.value();
                Same::Integer(negative, magnitude)
            }
            Self::F32(float) => Same::Float(f64::from(*float).to_bits()),
            Self::F64(float) => Same::Float(float.to_bits()),
            Self::Char(char) => Same::Text(char.to_string()),
            Self::Text(text) => Same::Text(text.clone()),
            Self::Bytes(bytes) => Same::Bytes(bytes.clone()),
            Self::None => Same::None,
            Self::Some(tree) => Same::Some(Box::new(tree.same())),
            Self::Unit => Same::Unit,
            Self::UnitVariant(name) => Same::Variant(name.text(), Box::new(Same::Unit)),
            Self::Newtype(tree) => tree.same(),
            Self::NewtypeVariant(name, tree) => Same::Variant(name.text(), Box::new(tree.same())),
            Self::Sequence(_, trees) => all(trees),
            Self::TupleVariant(name, trees) => Same::Variant(name.text(), Box::new(all(trees))),
            Self::Map(pairs) => {
                let mut same: Vec<_> = pairs.iter().map(|(key, value)| (key.same(), value.same())).collect();
                same.sort();
                Same::Map(same)
            }
            Self::Struct(given) => fields(given),
            Self::StructVariant(name, given) => Same::Variant(name.text(), Box::new(fields(given))),
        }
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
            Self::I8(n) => (n < 0, n.unsigned_abs().into()),
            Self::I16(n) => (n < 0, n.unsigned_abs().into()),
            Self::I32(n) => (n < 0, n.unsigned_abs().into()),
            Self::I64(n) => (n < 0, n.unsigned_abs().into()),
            Self::I128(n) => (n < 0, n.unsigned_abs()),
        }
    }

    fn wider(self) -> Self {
        match self.value() {
            (false, magnitude) => i128::try_from(magnitude).map_or(Self::U128(magnitude), Self::I128),
            (true, magnitude) => Self::I128((magnitude as i128).wrapping_neg()),
        }
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Bool(bool) => to.serialize_bool(*bool),
            Self::Integer(integer) => match *integer {
                Integer::U8(n) => to.serialize_u8(n),
                Integer::U16(n) => to.serialize_u16(n),
                Integer::U32(n) => to.serialize_u32(n),
                Integer::U64(n) => to.serialize_u64(n),
                Integer::U128(n) => to.serialize_u128(n),
                Integer::I8(n) => to.serialize_i8(n),
                Integer::I16(n) => to.serialize_i16(n),
                Integer::I32(n) => to.serialize_i32(n),
                Integer::I64(n) => to.serialize_i64(n),
                Integer::I128(n) => to.serialize_i128(n),
            },
            Self::F32(float) => to.serialize_f32(*float),
            Self::F64(float) => to.serialize_f64(*float),
            Self::Char(char) => to.serialize_char(*char),
            Self::Text(text) => to.serialize_str(text),
            Self::Bytes(bytes) => to.serialize_bytes(bytes),
            Self::None => to.serialize_none(),
            Self::Some(tree) => to.serialize_some(tree),
            Self::Unit => to.serialize_unit(),
            Self::UnitVariant(name) => to.serialize_unit_variant("E", 0, name.text()),
            Self::Newtype(tree) => to.serialize_newtype_struct("N", tree),
            Self::NewtypeVariant(name, tree) => to.serialize_newtype_variant("E", 0, name.text(), tree),
            Self::Sequence(0, trees) => trees.serialize(to),
            Self::Sequence(1, trees) => {
                let mut tuple = to.serialize_tuple(trees.len())?;
                trees.iter().try_for_each(|tree| tuple.serialize_element(tree))?;
                tuple.end()
            }
            Self::Sequence(_, trees) => {
                let mut tuple = to.serialize_tuple_struct("T", trees.len())?;
                trees.iter().try_for_each(|tree| tuple.serialize_field(tree))?;
                tuple.end()
            }
            Self::TupleVariant(name, trees) => {
                let mut tuple = to.serialize_tuple_variant("E", 0, name.text(), trees.len())?;
                trees.iter().try_for_each(|tree| tuple.serialize_field(tree))?;
                tuple.end()
            }
            Self::Map(pairs) => {
                let mut map = to.serialize_map(None)?;
                pairs.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
            Self::Struct(fields) => {
                let mut fields_of = to.serialize_struct("S", fields.len())?;
                fields.iter().try_for_each(|(name, tree)| fields_of.serialize_field(name.text(), tree))?;
                fields_of.end()
            }
            Self::StructVariant(name, fields) => {
                let mut fields_of = to.serialize_struct_variant("E", 0, name.text(), fields.len())?;
                fields.iter().try_for_each(|(name, tree)| fields_of.serialize_field(name.text(), tree))?;
                fields_of.end()
            }
        }
    }
}

/// So many options in one another, or lists.
#[derive(Debug)]
pub(crate) struct Deep {
    pub(crate) levels: usize,
    pub(crate) lists: bool,
}

impl Serialize for Deep {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        let Self { levels, lists } = *self;
        match levels.checked_sub(1) {
            None => to.serialize_unit(),
            Some(levels) if lists => {
                let mut seq = to.serialize_seq(Some(1))?;
                seq.serialize_element(&Self { levels, lists })?;
                seq.end()
            }
            Some(levels) => to.serialize_some(&Self { levels, lists }),
        }
    }
}
