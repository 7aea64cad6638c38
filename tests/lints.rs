//! The attribute adds no finding of rustc or clippy, with all of clippy's groups on, and hides none of rustc's: `tests/lints`
//! is linted with it and without. (Clippy itself looks away from much that a macro has touched.)
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Findings by lint and line, and how many there are.
type Findings = BTreeMap<(String, u64), usize>;

fn findings(more: &[&str]) -> Findings {
    let mut clippy = Command::new(env!("CARGO"));
    clippy.args(["clippy", "-q", "--locked", "--message-format=json", "--manifest-path", "tests/lints/Cargo.toml"]);
    clippy.args(["--target-dir", "target"]).args(more).arg("--");
    clippy.args(["all", "pedantic", "nursery", "restriction"].map(|group| format!("-Wclippy::{group}")));
    // It is we who turn that one on as a whole.
    clippy.arg("-Aclippy::blanket_clippy_restriction_lints");
    let output = clippy.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("clippy runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut findings = Findings::new();
    for line in String::from_utf8(output.stdout).expect("text").lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let message = &line["message"];
        let of_ours = line["target"]["name"] == "idem_lints";
        if let (true, Some(lint), Some(at)) =
            (of_ours, message["code"]["code"].as_str(), message["spans"][0]["line_start"].as_u64())
        {
            *findings.entry((lint.to_owned(), at)).or_default() += 1;
        }
    }
    findings
}

/// What is found here and not there, or not as often.
fn beyond<'a>(here: &'a Findings, there: &Findings) -> Vec<&'a (String, u64)> {
    let more = here.iter().filter(|(finding, count)| there.get(finding).map_or(0, |n| *n) < **count);
    more.map(|(finding, _)| finding).collect()
}

#[test]
fn the_attribute_adds_no_finding_and_hides_none() {
    let (without, with) = (findings(&[]), findings(&["--features", "guarded"]));
    for lint in ["dead_code", "unused_variables", "unused_mut", "unused_must_use", "clippy::unwrap_used"] {
        assert!(without.keys().any(|(found, _)| found == lint), "{lint} is among {without:#?}");
    }
    assert_eq!(beyond(&with, &without), <[&(String, u64); 0]>::default(), "added");
    let rustcs: Findings = without.into_iter().filter(|((lint, _), _)| !lint.starts_with("clippy::")).collect();
    assert_eq!(beyond(&rustcs, &with), <[&(String, u64); 0]>::default(), "hidden");
}
