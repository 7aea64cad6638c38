//! What the attribute says of mistakes: one error each, at the user's own token, naming the fix. And all that it takes
//! without a word.
#![allow(clippy::unwrap_used, missing_docs)]

#[test]
fn mistakes_are_explained_and_every_function_is_taken() {
    // In one go: trybuild checks the dependencies for failing cases alone, and would build them again for the others.
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}

/// rustc prints lines of the standard library only where the component `rust-src` is installed.
#[test]
fn no_message_points_into_the_standard_library() {
    for file in std::fs::read_dir("tests/ui/fail").unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("$RUST"), "{} names a file of the standard library", path.display());
    }
}
