//! A result comes back as it was, or is not recorded; and bytes that are no result of this key's are an error.

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Result, Unstructured};
use idem_core::private::with_checksum;
use idem_core::{Codec, Fingerprint, Key, PayloadError};
use idem_testing::{recorded, replays};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::damage::damaged;

#[derive(Debug, Clone, Arbitrary, Serialize, Deserialize)]
enum Value {
    Empty,
    Unit(()),
    Bool(bool),
    Small(i8),
    Large(u64),
    Wide(i128, u128),
    Single(f32),
    Double(f64),
    Char(char),
    Text(String),
    Bytes(Vec<u8>),
    Maybe(Option<Box<Value>>),
    Nested(Option<Option<u8>>),
    Units(Option<()>),
    Pair(Box<(Value, Value)>),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
    Ids(BTreeMap<i64, u8>),
    Fields { cents: i64, rate: f64, note: Option<String>, nothing: () },
}

impl Value {
    /// How deep it is.
    fn depth(&self) -> usize {
        1 + match self {
            Self::Maybe(Some(value)) => value.depth(),
            Self::Pair(pair) => pair.0.depth().max(pair.1.depth()),
            Self::List(values) => values.iter().map(Self::depth).max().unwrap_or(0),
            Self::Map(values) => values.values().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Whether a codec has words for it.
    fn can_be_said(&self, codec: Codec) -> bool {
        let float = |finite: bool| finite || codec != Codec::Json;
        match self {
            Self::Nested(value) => *value != Some(None),
            Self::Units(value) => value.is_none(),
            Self::Single(value) => float(value.is_finite()),
            Self::Double(value) | Self::Fields { rate: value, .. } => float(value.is_finite()),
            Self::Maybe(value) => value.as_ref().is_none_or(|value| value.can_be_said(codec)),
            Self::Pair(pair) => pair.0.can_be_said(codec) && pair.1.can_be_said(codec),
            Self::List(values) => values.iter().all(|value| value.can_be_said(codec)),
            Self::Map(values) => values.values().all(|value| value.can_be_said(codec)),
            _ => true,
        }
    }
}

/// A type that is as deep as its bytes say.
#[derive(Debug, Serialize, Deserialize)]
struct Deep(Vec<Deep>);

pub fn check(bytes: &[u8]) {
    for codec in [Codec::Json, Codec::MessagePack] {
        let id = if codec == Codec::Json { 1 } else { 2 };
        let key = Key::new("", "idem.testing", "k").expect("a valid key");
        foreign(&with_checksum(codec, bytes, &key));
        // Bytes without the key's checksum are not read.
        let unchecked = replays::<Value>(&[&[1, id, 0], bytes].concat());
        assert!(matches!(unchecked, Err(PayloadError::Foreign)), "{unchecked:?}");
    }
    foreign(bytes);
    let _ = values(&mut Unstructured::new(bytes));
}

/// Whatever they are read as, that is what they say from then on.
fn foreign(bytes: &[u8]) {
    fn one<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
        let Ok(value) = replays::<T>(bytes) else { return };
        if let Some(again) = recorded(&value, Codec::MessagePack) {
            same(&replays::<T>(&again).expect("it was recorded"), &value);
        }
    }
    one::<()>(bytes);
    one::<bool>(bytes);
    one::<u64>(bytes);
    one::<f64>(bytes);
    one::<char>(bytes);
    one::<String>(bytes);
    one::<Vec<u64>>(bytes);
    one::<Option<Option<u8>>>(bytes);
    one::<BTreeMap<String, Vec<u8>>>(bytes);
    one::<(u8, String, Vec<[u64; 4]>)>(bytes);
    one::<Value>(bytes);
    one::<Deep>(bytes);
}

fn values(u: &mut Unstructured<'_>) -> Result<()> {
    let (value, other) = (Value::arbitrary(u)?, Value::arbitrary(u)?);
    for codec in [Codec::Json, Codec::MessagePack] {
        let bytes = recorded(&value, codec);
        let Some(bytes) = bytes else {
            assert!(!value.can_be_said(codec) || value.depth() > 40, "it could be recorded: {value:?}");
            continue;
        };
        assert!(value.can_be_said(codec), "{value:?}");
        same(&replays::<Value>(&bytes).expect("it was recorded"), &value);
        let others = recorded(&other, codec).unwrap_or_default();
        let damaged = damaged(u, &bytes, &[&others])?;
        match replays::<Value>(&damaged) {
            Ok(replayed) if damaged == bytes => same(&replayed, &value),
            Ok(replayed) if damaged == others => same(&replayed, &other),
            answer => assert!(answer.is_err(), "{answer:?} of {value:?}"),
        }
    }
    Ok(())
}

fn same<T: Serialize>(one: &T, other: &T) {
    let of = |value| Fingerprint::of(value).expect("it can be serialized");
    assert_eq!(of(one), of(other), "fresh equals replayed");
}
