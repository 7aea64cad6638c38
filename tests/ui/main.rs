//! What the attribute says of mistakes: one error each, at the user's own token, naming the fix.
#![allow(missing_docs)]

#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*.rs");
}
