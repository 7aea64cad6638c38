use std::collections::{BTreeMap, HashMap, HashSet};

use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

use super::{bytes, Sorting, MAX_DEPTH};
use crate::fingerprint::{comparable, Fingerprint};

fn of<T: Serialize + ?Sized>(value: &T) -> Fingerprint {
    Fingerprint::of(value).expect("serializes")
}

/// A map written in the order it is given.
struct Ordered<'a>(&'a [(&'a str, i64)]);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// A struct with its fields in the order it is given.
struct Fields(&'static [(&'static str, u8)]);

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Fields", self.0.len())?;
        for (name, value) in self.0 {
            fields.serialize_field(name, value)?;
        }
        fields.end()
    }
}

#[test]
fn the_order_of_a_map_and_of_fields_does_not_count() {
    let one = of(&Ordered(&[("a", 1), ("bb", 2), ("c", -3)]));
    assert_eq!(one, of(&Ordered(&[("c", -3), ("a", 1), ("bb", 2)])));
    assert_eq!(one, of(&HashMap::from([("bb", 2), ("c", -3), ("a", 1)])));
    assert_ne!(one, of(&Ordered(&[("a", 2), ("bb", 1), ("c", -3)])));
    assert_eq!(of(&Fields(&[("x", 1), ("y", 2)])), of(&Fields(&[("y", 2), ("x", 1)])));
    assert_eq!(of(&Fields(&[("x", 1), ("y", 2)])), of(&BTreeMap::from([("x", 1_u64), ("y", 2)])));
}

#[test]
fn nested_maps_are_sorted_inside_out() {
    let nested = |inner: &'static [(&'static str, u8)]| vec![(1, Fields(inner)), (2, Fields(&[]))];
    assert_eq!(of(&nested(&[("x", 1), ("y", 2)])), of(&nested(&[("y", 2), ("x", 1)])));
}

#[test]
fn the_order_of_a_sequence_counts_in_a_fingerprint() {
    assert_ne!(of(&[1, 2]), of(&[2, 1]));
    assert_ne!(of(&vec!["ab", "c"]), of(&vec!["a", "bc"]));
    assert_ne!(of(&vec![vec![1], vec![2]]), of(&vec![vec![1, 2]]));
}

#[test]
fn what_codecs_mix_up_stays_apart() {
    let different = [
        of(&None::<()>),
        of(&Some(())),
        of(&Some(None::<()>)),
        of(&()),
        of(&Some(f64::NAN)),
        of(&f64::NAN),
        of(&0.0),
        of(&-0.0),
        of(&0),
        of(&""),
        of(&false),
        of(&Vec::<u8>::new()),
        of(&BTreeMap::<u8, u8>::new()),
        of(&0.913_614_977_317_635_9),
        of(&0.913_614_977_317_635_8),
    ];
    for (i, a) in different.iter().enumerate() {
        for (j, b) in different.iter().enumerate() {
            assert_eq!(a == b, i == j, "{i} and {j}");
        }
    }
}

#[test]
fn integers_count_by_value() {
    assert_eq!(of(&1_u8), of(&1_i128));
    assert_ne!(of(&-1), of(&1));
    assert_ne!(of(&u128::MAX), of(&u64::MAX));
}

#[test]
fn equal_sets_are_the_same_value_and_tuples_keep_their_order() {
    fn same_value<T: Serialize>(one: &T, other: &T) -> bool {
        comparable(one) == comparable(other)
    }
    let one: HashSet<u32> = (0..100).collect();
    let other: HashSet<u32> = (0..100).rev().collect();
    assert!(same_value(&one, &other));
    assert!(!same_value(&one, &(1..100).collect()));
    assert!(!same_value(&(1, 2), &(2, 1)));
    assert!(!same_value(&Some(f64::NAN), &None));
}

#[test]
fn the_form_is_frozen() {
    let form = bytes(&BTreeMap::from([("b", Some(true)), ("a", None)]), Sorting::Fields).expect("serializes");
    let text = |c| [8, 0, 0, 0, 0, 0, 0, 0, 1, c];
    assert_eq!(form, [&[11][..], &text(b'a'), &[1], &text(b'b'), &[2, 4, 1], &[0]].concat());
    let pair = bytes(&("id", 7), Sorting::Fields).expect("serializes");
    assert_eq!(pair, [&[10, 8, 0, 0, 0, 0, 0, 0, 0, 2, b'i', b'd', 5][..], &7_u128.to_be_bytes(), &[0]].concat());
    let hex = of(&("id", 7)).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex, "f591e36a4bf6adadd849d2e4a2188a122260207db4de740b1689105905b837c2");
}

#[test]
fn a_value_that_would_end_the_stack_is_an_error() {
    struct Deep(u32);
    impl Serialize for Deep {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            match self.0 {
                0 => to.serialize_unit(),
                levels => to.serialize_some(&Self(levels - 1)),
            }
        }
    }
    assert!(Fingerprint::of(&Deep(MAX_DEPTH)).is_ok());
    assert!(Fingerprint::of(&Deep(MAX_DEPTH + 1)).is_err());
    assert!(Fingerprint::of(&Deep(1_000_000)).is_err());
}

/// A map that serializes a value without a key, which serde forbids, inside a struct whose fields are sorted.
#[test]
fn a_map_that_breaks_serdes_rules_ends_in_no_panic() {
    struct Lying;
    impl Serialize for Lying {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_value(&"x".repeat(1_000))?;
            map.serialize_entry("b", &1)?;
            map.serialize_entry("a", &1)?;
            map.end()
        }
    }
    struct Around;
    impl Serialize for Around {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut fields = serializer.serialize_struct("Around", 4)?;
            fields.serialize_field("z", &1)?;
            fields.serialize_field("a", &Lying)?;
            fields.serialize_field("c", &1)?;
            fields.serialize_field("b", &1)?;
            fields.end()
        }
    }
    for sorting in [Sorting::Fields, Sorting::Sequences] {
        let honest = bytes(&BTreeMap::from([("b", 1), ("a", 2)]), sorting);
        assert!(honest.is_ok());
        let lying = || bytes(&Around, sorting).ok();
        assert_eq!(lying(), lying(), "bogus, and the same each time");
    }
}
