//! What each crate shows is what is written down. After a deliberate change: `IDEM_API=write cargo test --manifest-path
//! tests/api/Cargo.toml`, and read the diff.

use std::fs;

const PACKAGES: [(&str, &str); 7] = [
    ("idem-rs", "idem"),
    ("idem-core", "idem_core"),
    ("idem-macros", "idem_macros"),
    ("idem-testing", "idem_testing"),
    ("idem-postgres", "idem_postgres"),
    ("idem-redis", "idem_redis"),
    ("idem-sqlite", "idem_sqlite"),
];

#[test]
fn what_each_crate_shows_is_written_down() {
    let seen = idem_api::look(env!("CARGO_BIN_EXE_idem-api-rustdoc")).expect("rustdoc's output");
    let mut changed = Vec::new();
    for (package, library) in PACKAGES {
        let api = idem_api::of(library, &seen).expect("a listing");
        let file = idem_api::written(package);
        if std::env::var_os("IDEM_API").is_some_and(|told| told == "write") {
            fs::write(&file, &api).expect("written");
        }
        let written = fs::read_to_string(&file).unwrap_or_default();
        let (new, old) = (beyond(&api, &written), beyond(&written, &api));
        changed.extend(new.iter().map(|line| format!("{package}: + {line}")));
        changed.extend(old.iter().map(|line| format!("{package}: - {line}")));
    }
    assert!(changed.is_empty(), "{}", changed.join("\n"));
}

fn beyond<'a>(here: &'a str, there: &str) -> Vec<&'a str> {
    here.lines().filter(|line| !there.lines().any(|other| other == *line)).collect()
}
