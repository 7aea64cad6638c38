//! A server's clock, to be set by the test: it stands still, and is what it was last set to. The server itself is the real one; a
//! few lines of C stand between it and the system.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use crate::require::require;

const FILE: &str = "clock";
const LIBRARY: &str = "clock.so";

/// Gives what will run in `dir` a clock.
pub(crate) fn make(dir: &Path, micros: u64) {
    let source = dir.join("clock.c");
    fs::write(&source, include_str!("clock.c")).expect("the directory can be written to");
    let built = Command::new(require("cc"))
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([dir.join(LIBRARY), source])
        .output()
        .expect("it starts");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    File::create(dir.join(FILE)).expect("the directory can be written to");
    set(dir, micros);
}

/// Sets it, in microseconds since 1970.
pub(crate) fn set(dir: &Path, micros: u64) {
    let file = OpenOptions::new().write(true).open(dir.join(FILE)).expect("it was given a clock");
    file.write_all_at(&micros.to_ne_bytes(), 0).expect("it can be written to");
}

/// What stands before a command in `dir`, if it was given a clock.
pub(crate) fn before(dir: &Path) -> Vec<String> {
    if !dir.join(FILE).exists() {
        return Vec::new();
    }
    let set = env(dir).map(|(name, value)| format!("{name}={value}"));
    ["env".into()].into_iter().chain(set).collect()
}

/// What a process is to find in its environment.
pub(crate) fn env(dir: &Path) -> [(String, String); 2] {
    let path = |name| dir.join(name).display().to_string();
    [("LD_PRELOAD".into(), path(LIBRARY)), ("IDEM_TEST_CLOCK".into(), path(FILE))]
}
