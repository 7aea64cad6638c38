//! Allocations, counted by the program `heap`.

use std::process::Command;

use idem_benches::report::Report;

pub(crate) fn run(report: &mut Report) {
    report.part(
        "Allocations in memory",
        "Of one call, by a counting allocator, averaged over 4,096; and what stays for each of 100,000 records.",
    );
    let output = Command::new(env!("CARGO_BIN_EXE_heap")).output().expect("heap runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = |kind: &str| -> Vec<Vec<String>> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(kind));
        lines.map(|line| line.split('\t').skip(1).map(str::to_owned).collect()).collect()
    };
    report.table(&["call", "allocations", "bytes"], rows("calls"));
    report.table(&["kept in", "bytes a record"], rows("records"));
}
