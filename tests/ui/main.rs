//! What the attribute says of mistakes: one error each, at the user's own token, naming the fix. And all that it takes
//! without a word.
#![allow(missing_docs)]

#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*.rs");
}

#[test]
fn every_function_is_taken() {
    trybuild::TestCases::new().pass("tests/ui/pass/*.rs");
}
