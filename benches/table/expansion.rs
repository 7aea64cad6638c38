//! What an annotated function costs its author: `cargo check` of a crate of a few hundred, with the attribute and without; and the
//! bytes of a program of as many.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use idem_benches::effort::Effort;
use idem_benches::report::Report;
use idem_benches::spread::Spread;
use idem_benches::unit::{count, figures};

use crate::binary;

const FUNCTIONS: usize = 300;

pub(crate) fn run(report: &mut Report) {
    report.part(
        "What it costs to build",
        "A crate of 300 functions with key, TTL and fingerprint, and the same without the attribute; each function's share.",
    );
    let rounds = report.effort.pick(2, 7);
    let (mut checks, mut expansions) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..=rounds {
        for (i, guarded) in [false, true].into_iter().enumerate() {
            let (check, expansion) = check(guarded, round);
            // The first builds what they depend on.
            if round > 0 {
                checks[i].push(check.as_secs_f64() * 1e3 / FUNCTIONS as f64);
                expansions[i].push(expansion * 1e3 / FUNCTIONS as f64);
            }
        }
    }
    let ms = |of: Vec<f64>| format!("{} ms", figures(Spread::of(of).median));
    let row = |what: &str, [plain, guarded]: [String; 2]| vec![what.to_owned(), plain, guarded];
    let mut rows = vec![row("`cargo check`", checks.map(ms)), row("of which macros expand in", expansions.map(ms))];
    if report.effort == Effort::Full {
        // Of two programs, so that what they share is left out.
        let code = |guarded, functions| binary::code(&folder(guarded, Some(functions)));
        let each = |guarded| (code(guarded, FUNCTIONS) - code(guarded, 1)) / (FUNCTIONS - 1);
        rows.push(row(
            "machine code, release",
            [false, true].map(|guarded| format!("{} bytes", count(each(guarded) as u64))),
        ));
        for (functions, what) in [(1, "clean release build of a program with one"), (FUNCTIONS, "of one with all 300")]
        {
            let builds = [false, true].map(|guarded| binary::clean_build(&folder(guarded, Some(functions))));
            rows.push(row(what, builds.map(|took| format!("{} s", figures(took.as_secs_f64())))));
        }
    }
    report.table(&["a function", "plain", "guarded"], rows);
}

/// A crate of its own, written anew; a program of so many functions, or else a library of all.
fn folder(guarded: bool, program: Option<usize>) -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let name = format!(
        "{}-{}",
        if guarded { "guarded" } else { "plain" },
        program.map_or("library".into(), |functions| format!("program-{functions}"))
    );
    let folder = top.join("target/expansion").join(&name);
    std::fs::create_dir_all(&folder).expect("a folder");
    let library = if program.is_some() { "" } else { "[lib]\npath = \"lib.rs\"\n" };
    let main = if program.is_some() { "[[bin]]\nname = \"expansion\"\npath = \"lib.rs\"\n" } else { "" };
    let idem = if guarded { format!("idem-rs = {{ path = \"{}\" }}\n", top.display()) } else { String::new() };
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n{library}{main}\
         [dependencies]\n{idem}serde = {{ version = \"1\", features = [\"derive\"] }}\nthiserror = \"2\"\n"
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).expect("written");
    std::fs::write(folder.join("lib.rs"), source(guarded, program, 0)).expect("written");
    // The versions that are locked here; what it does not need of them cargo leaves out.
    std::fs::copy(top.join("Cargo.lock"), folder.join("Cargo.lock")).expect("copied");
    folder
}

/// How long it took to check, and, in seconds, to expand.
fn check(guarded: bool, round: usize) -> (Duration, f64) {
    let folder = folder(guarded, None);
    std::fs::write(folder.join("lib.rs"), source(guarded, None, round)).expect("written");
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

fn source(guarded: bool, program: Option<usize>, round: usize) -> String {
    let functions = program.unwrap_or(FUNCTIONS);
    let mut source = format!(
        "//! Round {round}.\n#[derive(Clone, serde::Serialize, serde::Deserialize)]\n\
         pub struct Order {{ pub id: u64 }}\n#[derive(Debug, thiserror::Error)]\n"
    );
    source.push_str(match guarded {
        true => "pub enum Fails { #[error(transparent)] Idempotency(#[from] idem::Error) }\n",
        false => "pub enum Fails { #[error(\"failed\")] Declined }\n",
    });
    for n in 0..functions {
        if guarded {
            let _ = writeln!(source, "#[idem::idempotent(key = order.id, ttl = \"24h\", fingerprint = order)]");
        }
        let _ = writeln!(
            source,
            "pub async fn charge_{n}(order: Order) -> Result<Order, Fails> {{ Ok(Order {{ id: order.id + {n} }}) }}"
        );
    }
    if program.is_some() {
        // Whoever is in such a list has to be there.
        let _ =
            writeln!(source, "type Call = std::pin::Pin<Box<dyn std::future::Future<Output = Result<Order, Fails>>>>;");
        let _ = writeln!(source, "const CALLS: [fn(Order) -> Call; {functions}] = [");
        (0..functions).for_each(|n| {
            let _ = writeln!(source, "    |order| Box::pin(charge_{n}(order)),");
        });
        let _ = writeln!(source, "];\nfn main() {{ for call in std::hint::black_box(CALLS) {{ drop(std::hint::black_box(call(Order {{ id: 1 }}))); }} }}");
    }
    source
}
