//! The programs on each store that outlives them.
#![cfg(feature = "stores")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use idem_test_servers::{Postgres, Redis};

/// A directory of this test's own.
struct Temp(PathBuf);

impl Temp {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("idem-stores-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn payments_on(store: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_payments")).args(["--store", store]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("everybody was charged exactly once"), "{text}");
}

const EVENTS: usize = 400;

/// The lines of a ledger, by event.
fn credits(ledger: &str) -> BTreeMap<String, usize> {
    let mut credits = BTreeMap::new();
    for line in fs::read_to_string(ledger).unwrap_or_default().lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("a whole line");
        *credits.entry(line["id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    credits
}

fn worker(store: &str, ledger: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
    command.args(["--store", store, "--ledger", ledger, "--lease", "1"]);
    command
}

fn row(output: &Output, name: &str) -> f64 {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let row = text.lines().find(|line| line.get(..14).is_some_and(|row| row.trim() == name));
    row.unwrap_or_else(|| panic!("{name} in {text}{}", String::from_utf8_lossy(&output.stderr)))[14..]
        .trim()
        .parse()
        .unwrap()
}

/// Killed in the middle of a file and started again, a worker credits nobody twice and loses nothing that was credited. What was
/// in flight when it died is `Indeterminate`: its effect may have happened, and it is at most once.
fn worker_survives_on(store: &str, temp: &Temp) {
    let (events, ledger) = (temp.file("events.jsonl"), temp.file("ledger.jsonl"));
    let line = |n: usize| format!("{{\"id\": \"e-{n}\", \"account\": \"ada\", \"cents\": 5}}\n");
    fs::write(&events, (0..EVENTS).map(line).collect::<String>()).unwrap();
    let mut killed =
        worker(store, &ledger).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // It waits for more, so it is certainly not done.
    let mut stdin = killed.stdin.take().unwrap();
    stdin.write_all(fs::read_to_string(&events).unwrap().as_bytes()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while credits(&ledger).len() < EVENTS / 4 {
        assert!(Instant::now() < deadline, "it does not get ahead");
        std::thread::sleep(Duration::from_millis(1));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let before = credits(&ledger);
    assert!(before.len() < EVENTS, "it was killed in the middle");

    let second = worker(store, &ledger).arg(&events).output().unwrap();
    let after = credits(&ledger);
    assert!(after.values().all(|times| *times == 1), "nobody is credited twice");
    let complaints = String::from_utf8_lossy(&second.stderr).into_owned();
    let unknown: Vec<String> = (0..EVENTS)
        .map(|n| format!("e-{n}"))
        .filter(|id| complaints.contains(&format!("event \"{id}\" was not handled: ")))
        .collect();
    assert!(unknown.len() <= 8, "no more than were in flight: {unknown:?}");
    for id in &unknown {
        let why = format!("event \"{id}\" was not handled: worker.credit: the outcome of attempt 1 is unknown");
        assert!(complaints.contains(&why), "{complaints}");
    }
    assert_eq!(row(&second, "handled") as usize, EVENTS - unknown.len());
    assert_eq!(second.status.success(), unknown.is_empty());
    // All that has an answer has its effect.
    assert!((0..EVENTS).map(|n| format!("e-{n}")).all(|id| after.contains_key(&id) || unknown.contains(&id)));

    let third = worker(store, &ledger).arg(&events).output().unwrap();
    assert_eq!(credits(&ledger), after, "all of it is replayed");
    assert_eq!((row(&third, "bodies run"), row(&third, "replayed") as usize), (0.0, EVENTS - unknown.len()));
}

/// Where the tests of this file keep their databases.
fn sqlite(temp: &Temp) -> String {
    format!("sqlite:{}", Path::new(&temp.file("records.db")).display())
}

#[test]
fn payments_on_sqlite() {
    payments_on(&sqlite(&Temp::new("payments-sqlite")));
}

#[test]
fn payments_on_redis() {
    payments_on(&Redis::start().url());
}

#[test]
fn payments_on_postgres() {
    payments_on(&Postgres::shared().fresh_database().url());
}

#[test]
fn a_killed_worker_goes_on_on_sqlite() {
    let temp = Temp::new("worker-sqlite");
    worker_survives_on(&sqlite(&temp), &temp);
}

#[test]
fn a_killed_worker_goes_on_on_redis() {
    worker_survives_on(&Redis::start().url(), &Temp::new("worker-redis"));
}

#[test]
fn a_killed_worker_goes_on_on_postgres() {
    worker_survives_on(&Postgres::shared().fresh_database().url(), &Temp::new("worker-postgres"));
}

#[test]
fn a_store_that_is_none_is_said_so() {
    let output = Command::new(env!("CARGO_BIN_EXE_worker")).args(["--store", "cupboard"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--store takes memory, redis://"));
}
