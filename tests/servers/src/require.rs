//! Where programs are, and what to install when they are not there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The path of `program`: Debian's directories of PostgreSQL's versions are looked through first, newest first, then `PATH`.
///
/// # Panics
///
/// In one line that says what to install, if it is nowhere.
pub fn require(program: &str) -> PathBuf {
    // Debian puts `initdb` and `postgres` into no PATH, and at `psql` a slow script that chooses among versions.
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let path = env::var_os("PATH").unwrap_or_default();
    versions
        .into_iter()
        .map(|(_, bin)| bin)
        .chain(env::split_paths(&path))
        .chain(["/usr/bin".into(), "/usr/sbin".into()])
        .map(|bin| bin.join(program))
        .find(|file: &PathBuf| Path::is_file(file))
        .unwrap_or_else(|| panic!("{program} is missing: apt-get install {}", package(program)))
}

fn package(program: &str) -> &str {
    match program {
        "redis-cli" => "redis-tools",
        "initdb" | "postgres" => "postgresql",
        "psql" => "postgresql-client",
        "cc" => "gcc libc6-dev",
        other => other,
    }
}
