use std::sync::Arc;

use super::*;
use crate::error::InvalidKey;

fn key(part: impl KeyPart) -> Key {
    Key::new("ns", "op", &part).expect("a valid key")
}

#[test]
fn different_keys_never_share_a_record() {
    let keys = [
        key(("a", "b:c")),
        key(("a:b", "c")),
        key(("ab", "c")),
        key(("a", "bc")),
        key("ab"),
        key(("ab",)),
        key(("a", "b")),
        key((("a",), "b")),
        key(("a", ("b",))),
        key(("a", "")),
        key(("", "a")),
        key(1),
        key(-1),
        key("1"),
        key(b"1"),
        key('1'),
        key(true),
        key(1).clone_with("ns", "op2"),
        key(1).clone_with("ns2", "op"),
        key(1).clone_with("nso", "p"),
    ];
    for (i, a) in keys.iter().enumerate() {
        for (j, b) in keys.iter().enumerate() {
            assert_eq!(a == b, i == j, "{i} and {j}");
            assert_eq!(a.clone().with_hash_of(b) == *b, i == j, "{i} and {j}, of one hash");
            assert_eq!(a.as_bytes() == b.as_bytes(), i == j, "{i} and {j}");
        }
    }
}

impl Key {
    fn clone_with(&self, namespace: &str, operation: &str) -> Self {
        Self::new(namespace, operation, &1).expect("a valid key")
    }
}

#[test]
fn a_part_of_two_values_lends_none_to_its_neighbour() {
    struct Pair(&'static str, &'static str);
    impl KeyPart for Pair {
        fn write_to(&self, key: &mut KeyWriter) {
            self.0.write_to(key);
            self.1.write_to(key);
        }
    }
    assert_ne!(key((Pair("a", "b"), "c")), key(("a", Pair("b", "c"))));
    assert_eq!(key((Pair("a", "b"), "c")), key((Pair("a", "b"), "c")));
}

#[test]
fn integers_count_by_value_and_text_by_content() {
    assert_eq!(key(7_u8), key(7_i128));
    assert_eq!(key((7_u64, 1)), key((&7_isize, 1)));
    assert_eq!(key(-7_i8), key(-7_i64));
    assert_eq!(key(u64::MAX), key(u128::from(u64::MAX)));
    assert_ne!(key(i128::MIN), key(i128::MAX));
    assert_eq!(key("a"), key(String::from("a")));
    assert_eq!(key(("a", 1)), key((Box::new(Arc::<str>::from("a")), &1_u16)));
}

#[test]
fn empty_keys_are_refused_and_empty_parts_are_not() {
    let refused = |result: Result<Key, InvalidKey>| result.expect_err("no key");
    assert_eq!(refused(Key::new("ns", "op", "")), InvalidKey::Empty);
    assert_eq!(refused(Key::new("ns", "op", &("", ""))), InvalidKey::Empty);
    assert_eq!(refused(Key::new("ns", "op", &[0_u8; 0])), InvalidKey::Empty);
    Key::new("ns", "op", &("", "a")).expect("one part is not empty");
    Key::new("", "", &0).expect("zero is a key");
    Key::new("ns", "op", &false).expect("false is a key");
}

#[test]
fn the_limit_counts_the_users_bytes_only() {
    let long = "x".repeat(Key::LIMIT);
    Key::new(&long, &long, &long).expect("exactly the limit");
    Key::new("ns", "op", &(&long[..512], &long[512..])).expect("the limit, in two parts");
    let over = Key::new("ns", "op", &(&long, "y")).expect_err("one over");
    assert_eq!(over, InvalidKey::TooLong { bytes: 1025 });
}

#[test]
fn parts_without_bytes_are_bounded_too() {
    struct Many(usize);
    impl KeyPart for Many {
        fn write_to(&self, key: &mut KeyWriter) {
            "x".write_to(key);
            (0..self.0).for_each(|_| "".write_to(key));
        }
    }
    Key::new("ns", "op", &Many(1000)).expect("a thousand parts");
    assert_eq!(Key::new("ns", "op", &Many(1_000_000)).expect_err("a million"), InvalidKey::TooManyParts);
}

#[test]
fn the_encoding_is_frozen() {
    let hex = |key: Key| key.as_bytes().iter().map(|b| format!("{b:02x}")).collect::<String>();
    assert_eq!(hex(key("id")), "01026e73026f7001026964");
    assert_eq!(hex(key(("a", 258_u16, -1_i8))), "01026e73026f7008010161".to_owned() + "09030201020904010109" + "0a");
    assert_eq!(key("id").operation(), "op");
    assert!(!format!("{:?}", key("secret")).contains("secret"));
}

#[test]
fn encoded_keys_are_read_back() {
    let readable = |key: Key| {
        let back = Key::from_bytes(key.as_bytes()).expect("a key");
        assert_eq!((&back, back.operation()), (&key, "op"));
        assert!(key.as_bytes().starts_with(&Key::prefix("ns", "op")));
        back.readable()
    };
    assert_eq!(readable(key("o-1")), r#""o-1""#);
    assert_eq!(readable(key(("a\"b", 258_u16, -1_i8))), r#"("a\"b", 258, -1)"#);
    assert_eq!(readable(key((true, 'ü', ("", 0), &b"\xff\x00"[..]))), r#"(true, 'ü', ("", 0), ff00)"#);
    assert_eq!(readable(key(("a", &b""[..]))), r#"("a", )"#);
    assert_eq!(readable(key("x".repeat(1024).as_str())).len(), 1026);
    let key = key(("a", 1));
    for cut in 0..key.as_bytes().len() {
        // Never panics, whatever is there.
        let _ = Key::from_bytes(&key.as_bytes()[..cut]).map(|key| key.readable());
    }
    assert!(Key::from_bytes(b"").is_none() && Key::from_bytes(b"\x02\x00\x00").is_none());
    assert!(Key::from_bytes(b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f").is_none());
    assert!(
        !key.as_bytes().starts_with(&Key::prefix("ns", "o")) && !key.as_bytes().starts_with(&Key::prefix("", "ns"))
    );
}

#[test]
fn hashed_parts_depend_on_all_of_the_value() {
    assert_eq!(key(hash(&("a", 1))), key(hash(&("a", 1))));
    assert_ne!(key(hash(&("a", 1))), key(hash(&("a", 2))));
    assert_ne!(key(hash(&1)), key(*crate::fingerprint::Fingerprint::of(&1).expect("serializes").as_bytes()));
    let unserializable = std::collections::HashMap::from([("k", std::cell::RefCell::new(1))]);
    let _borrowed = unserializable["k"].borrow_mut();
    let refused = Key::new("ns", "op", &("a", hash(&unserializable))).expect_err("it cannot be serialized");
    assert_eq!(refused, InvalidKey::Unserializable);
}

#[test]
fn a_keys_scope_is_its_operations_prefix() {
    let key = Key::new("billing", "payments.charge", &("a", 1)).expect("a valid key");
    assert_eq!(key.scope(), Key::prefix("billing", "payments.charge"));
    let back = Key::from_bytes(key.as_bytes()).expect("a key");
    assert_eq!(back.scope(), key.scope());
}

#[test]
fn a_key_of_any_length_is_what_was_written() {
    for length in 1..400_usize {
        let text = "k".repeat(length);
        let mut expected = b"\x01\x02ns\x02op\x01".to_vec();
        expected.extend(if length < 128 {
            vec![length as u8]
        } else {
            vec![(length & 127) as u8 | 128, (length >> 7) as u8]
        });
        expected.extend(text.as_bytes());
        let written = key(text.as_str());
        assert_eq!(written.as_bytes(), expected, "{length}");
        assert_eq!(Key::from_bytes(&expected).expect("a key"), written, "{length}");
        assert_eq!((written.operation(), written.clone()), ("op", written.clone()), "{length}");
        // Its last byte alone does not fit any more, or is the first of a part that does not.
        let pushed = key((text.as_str(), true));
        assert_eq!(Key::from_bytes(pushed.as_bytes()).expect("a key"), pushed, "{length}");
        assert!(pushed.as_bytes().ends_with(&[10]), "{length}");
    }
}
