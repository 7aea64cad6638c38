//! Everything that `docs/PERFORMANCE.md` shows: `cargo bench --manifest-path benches/Cargo.toml`, a few minutes, or half an hour with
//! `IDEM_BENCH=full`. Parts can be named behind `--`, such as `memory redis`; then nothing is written, or, with `--write`, only
//! their sections are renewed.

mod binary;
mod expansion;
mod growth;
mod heap;
mod memory;
mod payments;
mod postgres;
mod redis;
mod remote;
mod rows;
mod size;
mod sqlite;
mod waiters;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use idem::{Idem, MokaStore};
use idem_benches::effort::Effort;
use idem_benches::report::Report;

type Part = (&'static str, fn(&mut Report));

const PARTS: [Part; 11] = [
    ("memory", memory::run),
    ("heap", heap::run),
    ("size", size::run),
    ("redis", redis::run),
    ("postgres", postgres::run),
    ("sqlite", sqlite::run),
    ("waiters", waiters::run),
    ("growth", growth::run),
    ("rows", rows::run),
    ("payments", payments::run),
    ("expansion", expansion::run),
];

fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--test") {
        return;
    }
    // Cargo adds `--bench`.
    let named: Vec<_> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    if let Some(unknown) = named.iter().find(|name| PARTS.iter().all(|(part, _)| part != **name)) {
        eprintln!("no part {unknown}; there are {}", PARTS.map(|(part, _)| part).join(", "));
        std::process::exit(2);
    }
    idem::install(Idem::new(MokaStore::new())).expect("installed once");
    let effort = Effort::of_environment();
    let mut report = Report::new(effort, first_line("date", "-I"));
    let began = Instant::now();
    for (name, run) in PARTS {
        if named.is_empty() || named.iter().any(|part| *part == name) {
            let began = Instant::now();
            run(&mut report);
            eprintln!("[{name}: {:.0} s]", began.elapsed().as_secs_f64());
        }
    }
    let met = report.conclude();
    eprintln!("[{:.0} s]", began.elapsed().as_secs_f64());
    if named.is_empty() || args.iter().any(|arg| arg == "--write") {
        let to = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance");
        report.write(&to, &about(), named.is_empty()).expect("docs/performance can be written");
        println!(
            "\nWritten: docs/performance. {}",
            if met { "Every budget is met." } else { "Not every budget is met." }
        );
    }
}

/// On what it was measured.
fn about() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (rustc, redis) = (first_line("rustc", "-V"), first_line("redis-server", "-v"));
    let redis = redis.split_whitespace().find_map(|word| word.strip_prefix("v=")).unwrap_or("?").to_owned();
    format!(
        "Written by `cargo bench --manifest-path benches/Cargo.toml` on {cores} cores with {rustc}, Redis {redis}. Each part says whether it \
         was a quick run or a full one (`IDEM_BENCH=full`), and of which day. [PERFORMANCE.md](../PERFORMANCE.md) says how to read it."
    )
}

fn first_line(program: &str, arg: &str) -> String {
    let output = Command::new(program).arg(arg).output().ok();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("?").to_owned()
}
