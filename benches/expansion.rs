//! What an annotated function costs its author: `cargo check` of a crate of a few hundred, with the attribute and without.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use idem_benches::median;

const FUNCTIONS: usize = 300;
const ROUNDS: usize = 5;

fn main() {
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let (mut checks, mut expansions) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..=ROUNDS {
        for (i, guarded) in [false, true].into_iter().enumerate() {
            let (check, expansion) = check(guarded, round);
            // The first builds what they depend on.
            if round > 0 {
                checks[i].push(check.as_secs_f64() * 1e3 / FUNCTIONS as f64);
                expansions[i].push(expansion * 1e3 / FUNCTIONS as f64);
            }
        }
    }
    let [without, with] = checks.map(median);
    println!("cargo check, each function:      {with:.2} ms with the attribute, {without:.2} ms without");
    let [without, with] = expansions.map(median);
    println!("of which macros are expanded in: {with:.2} ms with the attribute, {without:.2} ms without");
}

/// How long it took to check, and, in seconds, to expand.
fn check(guarded: bool, round: usize) -> (Duration, f64) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = top.join("target/expansion").join(if guarded { "guarded" } else { "plain" });
    std::fs::create_dir_all(&folder).expect("a folder");
    let manifest = format!(
        "[package]\nname = \"expansion\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n[lib]\npath = \"lib.rs\"\n\
         [dependencies]\nidem-rs = {{ path = \"{}\" }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\nthiserror = \"2\"\n",
        top.display()
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).expect("written");
    std::fs::write(folder.join("lib.rs"), source(guarded, round)).expect("written");
    let began = Instant::now();
    let output = Command::new(env!("CARGO"))
        .args(["rustc", "-q", "--profile", "check", "--target-dir", "../target", "--", "-Ztime-passes"])
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(folder)
        .output()
        .expect("cargo runs");
    let took = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let passes = [output.stdout, output.stderr].concat();
    let passes = String::from_utf8_lossy(&passes).into_owned();
    let line = passes.lines().find(|line| line.ends_with("macro_expand_crate")).expect("a line of that pass");
    let seconds = line.split_whitespace().nth(1).expect("its time");
    (took, seconds.trim_end_matches(';').parse().expect("seconds"))
}

fn source(guarded: bool, round: usize) -> String {
    let mut source = format!(
        "//! Round {round}.\nuse idem::idempotent;\n#[derive(Clone, serde::Serialize, serde::Deserialize)]\n\
         pub struct Order {{ pub id: u64 }}\n#[derive(Debug, thiserror::Error)]\n\
         pub enum Fails {{ #[error(transparent)] Idempotency(#[from] idem::Error) }}\n"
    );
    if !guarded {
        source = source.replace("use idem::idempotent;\n", "");
    }
    for n in 0..FUNCTIONS {
        if guarded {
            let _ = writeln!(source, "#[idempotent(key = order.id, ttl = \"24h\", fingerprint = order)]");
        }
        let _ = writeln!(source, "pub async fn charge_{n}(order: Order) -> Result<Order, Fails> {{ Ok(order) }}");
    }
    source
}
