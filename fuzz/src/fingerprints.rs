//! The same value has one fingerprint, however its maps are ordered; another value has another.

use arbitrary::{Result, Unstructured};
use idem_core::{hash, Fingerprint, Key};

use crate::tree::{Deep, Tree};

pub fn check(bytes: &[u8]) {
    let _ = values(&mut Unstructured::new(bytes));
    if let [levels, lists, ..] = bytes {
        deep(usize::from(*levels) * 8, lists % 2 == 0);
    }
}

fn values(u: &mut Unstructured<'_>) -> Result<()> {
    let one = Tree::arbitrary(u, 0)?;
    let of = |tree: &Tree| Fingerprint::of(tree).expect("it can be serialized");
    assert_eq!(of(&one), of(&one.otherwise()), "neither order nor width counts: {one:?}");
    assert_eq!(one.same(), one.otherwise().same(), "nor for this test");
    let other = Tree::arbitrary(u, 0)?;
    assert_eq!(of(&one) == of(&other), one.same() == other.same(), "{one:?} and {other:?}");
    // What was first is not the same as what was second, unless it is.
    let pair = Fingerprint::of(&(&one, &other));
    let turned = Fingerprint::of(&(&other, &one));
    assert_eq!(pair.expect("a pair") == turned.expect("a pair"), one.same() == other.same(), "order in lists counts");
    let key = |tree: &Tree| Key::new("ns", "op", &hash(tree)).expect("a hash is a key");
    assert_eq!(key(&one) == key(&other), one.same() == other.same());
    Ok(())
}

/// A value may be as deep as codecs read one back; a deeper one is an error, and does not end the stack.
pub fn deep(levels: usize, lists: bool) {
    let of = |levels| Fingerprint::of(&Deep { levels, lists });
    assert_eq!(of(levels).is_ok(), levels <= 1024);
    if let (Ok(one), Ok(other)) = (of(levels), of(levels + 1)) {
        assert_ne!(one, other);
    }
}
