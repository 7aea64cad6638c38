//! The parts of the other processes.

use idem_store_tests::Part;

/// Not a test of its own: what a test starts.
#[test]
fn plays_its_part() {
    let Some(part) = Part::take() else { return };
    match &*part.name {
        "victim" => part.play(crate::victim::plays(&part)),
        "clerk" => part.play(crate::clerk::plays(&part)),
        other => panic!("there is no part {other}"),
    }
}
