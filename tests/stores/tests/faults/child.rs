//! The part of the other processes.

use idem_store_tests::Part;

/// Not a test of its own: what a test starts.
#[test]
fn plays_its_part() {
    if let Some(part) = Part::take() {
        part.play(crate::clients::plays(&part));
    }
}
