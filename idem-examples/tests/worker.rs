//! Runs the program as its user does.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Output, Stdio};

use serde_json::{json, Value};

fn worker(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
    command.args(args);
    command
}

/// The table, by the names of its rows.
fn table(output: &[u8]) -> HashMap<String, f64> {
    let text = std::str::from_utf8(output).unwrap();
    let row = |line: &str| Some((line.get(..14)?.trim().to_owned(), line.get(14..)?.trim().parse().ok()?));
    text.lines().filter_map(row).collect()
}

fn rows<const N: usize>(output: &Output, names: [&str; N]) -> [f64; N] {
    let table = table(&output.stdout);
    names.map(|name| table[name])
}

fn complaints(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The numbers of the lines that are complained of in these words.
fn lines_with(complaints: &str, what: &str) -> Vec<usize> {
    let complaints = complaints.lines().filter(|complaint| complaint.contains(what));
    let number = |complaint: &str| complaint.split("line ").nth(1)?.split(':').next()?.parse().ok();
    let mut lines: Vec<_> = complaints.filter_map(number).collect();
    lines.sort_unstable();
    lines
}

/// A path of this test's own.
struct Temp(PathBuf);

impl Temp {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("idem-worker-{}-{name}", std::process::id())))
    }

    fn holding(name: &str, lines: &[impl AsRef<[u8]>]) -> Self {
        let file = Self::new(name);
        fs::write(&file.0, lines.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(&b'\n')).unwrap();
        file
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn ledger(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn event(id: &str, account: &str, cents: u64) -> String {
    format!(r#"{{"id":{},"account":{},"cents":{cents}}}"#, json!(id), json!(account))
}

/// Lines in an order that is no order, the same in every run. What is together stays so.
fn shuffled(mut units: Vec<Vec<String>>) -> Vec<String> {
    let mut state = 1_u64;
    for last in (1..units.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        units.swap(last, (state >> 33) as usize % (last + 1));
    }
    units.into_iter().flatten().collect()
}

/// Events of which each is delivered up to seven times, some of them twice in a row; every tenth with another content
/// too, and every fiftieth poison.
fn many() -> Vec<String> {
    let mut units = Vec::new();
    for n in 1..=300 {
        let (id, account) = (format!("e-{n}"), if n % 50 == 0 { "closed" } else { ["ada", "bob"][n % 2] });
        let cents = 100 + n as u64;
        let one = event(&id, account, cents);
        units.push(vec![one.clone(); 1 + n % 3]);
        for _ in 0..n % 5 {
            // The same event, written in another way.
            units.push(vec![format!(r#" {{"cents":{cents}, "id":"{id}",  "account":"{account}"}}"#)]);
        }
        if n % 10 == 5 {
            units.push(vec![event(&id, account, cents + 1)]);
        }
        if n % 50 == 0 {
            units.push(vec![one; 3]);
        }
    }
    shuffled(units)
}

#[test]
fn every_event_is_credited_once() {
    let mut lines = many();
    for at in (0..lines.len()).step_by(100) {
        lines.insert(at, "rubbish".into());
    }
    let contents: Vec<Option<Value>> = lines.iter().map(|line| serde_json::from_str(line).ok()).collect();
    let file = Temp::holding("many", &lines);
    for concurrency in ["8", "1", "100"] {
        let written = Temp::new("many-ledger");
        let args = [file.path(), "--ledger", written.path(), "--concurrency", concurrency];
        let output = worker(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");

        let credits = ledger(&written.0);
        let by_id: BTreeMap<_, _> = credits.iter().map(|credit| (credit["id"].as_str().unwrap(), credit)).collect();
        assert_eq!((credits.len(), by_id.len()), (294, 294), "each once");
        let (mut same, mut reused, mut poison) = (0, Vec::new(), 0);
        let mut first = BTreeMap::new();
        for (number, content) in (1..).zip(&contents) {
            let Some(content) = content else { continue };
            let id = content["id"].as_str().unwrap();
            first.entry(id).or_insert(content);
            match by_id.get(id) {
                None => poison += usize::from(content["account"] == "closed"),
                Some(credit) if *credit == content => same += 1,
                Some(_) => reused.push(number),
            }
        }
        if concurrency == "1" {
            assert!(by_id.iter().all(|(id, credit)| first[id] == *credit), "the first one counts");
        }

        let complaints = complaints(&output);
        let bad: Vec<_> = (1..).zip(&contents).filter(|(_, content)| content.is_none()).map(|(line, _)| line).collect();
        assert_eq!(lines_with(&complaints, "skipped"), bad);
        assert_eq!(lines_with(&complaints, "not applied"), reused);
        assert_eq!(lines_with(&complaints, "set aside after 5 attempts").len(), 6, "each once");
        // A duplicate that comes again later may say so, on a slow machine.
        let others = complaints.lines().filter(|complaint| !complaint.contains("a call with this key is running"));
        assert_eq!(others.count(), bad.len() + reused.len() + 6, "and nothing else: {complaints}");

        let deliveries = same + reused.len() + poison;
        let counted = rows(&output, ["deliveries", "bad lines", "events", "handled", "poison", "not handled"]);
        assert_eq!(counted, [deliveries as f64, bad.len() as f64, 300.0, 294.0, 6.0, 0.0]);
        // All but one delivery of each event are answered by that one, the good and the bad.
        let answered = rows(&output, ["replayed", "key reused", "bodies run"]);
        assert_eq!(answered, [(same - 294 + poison - 6) as f64, reused.len() as f64, 294.0 + 6.0 * 5.0]);
        let cents: u64 = credits.iter().map(|credit| credit["cents"].as_u64().unwrap()).sum();
        let money = rows(&output, ["credited", "ledger", "credited twice"]);
        assert_eq!(money, [cents as f64 / 100.0, cents as f64 / 100.0, 0.0]);
        let verdict = String::from_utf8(output.stdout).unwrap();
        assert!(verdict.ends_with("\nevery event was handled once or set aside\n"), "{verdict}");
    }
}

#[test]
fn bad_lines_by_number_and_the_limits() {
    let longest = "x".repeat(idem::Key::LIMIT);
    let lines: [Vec<u8>; 14] = [
        event("a", "ada", 500).into(),
        b"rubbish".into(),
        b"".into(),
        event("", "ada", 1).into(),
        event("a", "ada", 0).into(),
        b"{\"id\": \"\xff\xfe\", \"account\": \"ada\", \"cents\": 1}".into(),
        event(&format!("{longest}x"), "ada", 1).into(),
        br#"{"id": "b", "account": "ada", "cents": -1}"#.into(),
        br#"{"id": "b", "account": "ada", "cents": 1, "more": 1}"#.into(),
        br#"{"id": "b", "account": "ada"}"#.into(),
        event("b", "", 1).into(),
        event(&longest, "ada", u64::MAX).into(),
        event(&longest, "ada", u64::MAX).into(),
        event("rich", "new\nline", u64::MAX).into(),
    ];
    let (file, written) = (Temp::holding("bad", &lines), Temp::new("bad-ledger"));
    fs::write(&written.0, "{}\n").unwrap();
    let output = worker(&["--ledger", written.path(), file.path()]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(lines_with(&complaints(&output), "skipped"), [2, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert!(complaints(&output).lines().all(|complaint| complaint.starts_with(file.path())));
    let counted = rows(&output, ["bad lines", "deliveries", "events", "handled", "replayed"]);
    assert_eq!(counted, [9.0, 4.0, 3.0, 3.0, 1.0]);
    let rich = 2.0 * 184_467_440_737_095_516.15 + 5.0;
    assert_eq!(rows(&output, ["credited", "ledger"]), [rich, rich]);
    let credits = ledger(&written.0);
    assert_eq!((&credits[0], credits.len()), (&json!({}), 4), "it is appended to");
}

#[test]
fn standard_input_and_its_silence() {
    for args in [&[][..], &["-"]] {
        for (events, deliveries) in [("".to_owned(), 0.0), (event("a", "ada", 5) + "\n" + &event("a", "ada", 5), 2.0)] {
            let mut running = Running::start(args);
            running.say(&events);
            let output = running.end();
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let handled = f64::min(deliveries, 1.0);
            assert_eq!(rows(&output, ["deliveries", "handled", "ledger"]), [deliveries, handled, handled * 0.05]);
        }
    }
}

#[test]
fn poison_counts_the_attempts_of_all_deliveries() {
    let poison = event("p", "closed", 5);
    for (attempts, bodies) in [("1", 1.0), ("3", 3.0), ("7", 7.0)] {
        for concurrency in ["1", "5"] {
            let file = Temp::holding("poison", &[&poison, &poison, &poison, &poison, &poison, &event("a", "ada", 5)]);
            let args = [file.path(), "--attempts", attempts, "--concurrency", concurrency];
            let output = worker(&args).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let found = rows(&output, ["bodies run", "poison", "handled", "replayed", "ledger"]);
            assert_eq!(found, [bodies + 1.0, 1.0, 1.0, 4.0, 0.05]);
            let complaints = complaints(&output);
            assert!(complaints.contains(&format!("event \"p\": the account is closed; set aside after {attempts} ")));
            assert_eq!(complaints.lines().count(), 1, "{complaints}");
        }
    }
}

#[test]
fn another_content_while_the_first_one_fails() {
    let mut running = Running::start(&["--ledger", "/dev/stdout", "--concurrency", "1", "--attempts", "2"]);
    running.say(&event("big", &long(), 1));
    for line in [("x", "closed", 1), ("y", "closed", 1), ("x", "closed", 2), ("y", "ada", 2), ("y", "ada", 2)] {
        running.say(&event(line.0, line.1, line.2));
    }
    // All lines before it have been read, and none begun.
    running.say("rubbish");
    running.complains_until("line 7: ");
    assert!(running.line().starts_with(r#"{"id":"big""#));
    let output = running.end();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let credit = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(credit.starts_with("{\"id\":\"y\",\"account\":\"ada\",\"cents\":2}\ndeliveries"), "{credit}");
    let complaints = complaints(&output);
    assert_eq!(lines_with(&complaints, "event \"y\": worker.credit: this key was used for a different request"), [3]);
    // They begin anew in turns, and it ends all the same.
    assert_eq!(lines_with(&complaints, "event \"x\": the account is closed (attempt 1); given up"), [2, 4]);
    assert_eq!(lines_with(&complaints, "event \"x\" was not handled: the account is closed"), [2]);
    assert_eq!(rows(&output, ["handled", "replayed", "key reused", "not handled"]), [2.0, 1.0, 1.0, 1.0]);
    assert_eq!(rows(&output, ["poison", "bodies run"]), [0.0, 7.0]);
}

#[test]
fn a_duplicate_of_a_slow_event_makes_room_and_comes_again() {
    let mut running = Running::start(&["--ledger", "/dev/stdout", "--concurrency", "2"]);
    let big = event("big", &long(), 500);
    running.say(&big);
    assert!(!running.stdout.fill_buf().unwrap().is_empty(), "it is under way");
    running.say(&[&*big, &*event("p", "closed", 5)].join("\n"));
    running.complains_until("line 2: event \"big\": worker.credit: a call with this key is running");
    running.complains_until("line 3: event \"p\": the account is closed; set aside after 5 attempts");
    assert!(running.line() == big + "\n");
    let output = running.end();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(rows(&output, ["handled", "replayed", "poison", "bodies run"]), [1.0, 1.0, 1.0, 6.0]);
}

#[test]
fn sigterm_lets_what_is_in_flight_finish() {
    for (more, code) in [(None, 0), (Some(event("e-2", "ada", 5)), 1)] {
        let mut running = Running::start(&["--ledger", "/dev/stdout", "--concurrency", "1"]);
        let big = event("big", &long(), 500);
        running.say(&big);
        assert!(!running.stdout.fill_buf().unwrap().is_empty(), "it is under way");
        running.say(more.as_deref().unwrap_or_default());
        running.say("rubbish");
        running.complains_until("line 3: ");
        running.signal("-TERM");
        running.complains_until("stopping, with 1 in flight");
        assert!(running.line() == big + "\n");
        // Its input is not at its end.
        let output = running.wait();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert_eq!(rows(&output, ["handled", "not handled", "ledger"]), [1.0, f64::from(code), 5.0]);
        let left = "standard input: line 2: event \"e-2\" was not handled: it was not begun\n";
        assert_eq!(complaints(&output), if more.is_some() { left } else { "" });
    }
}

#[test]
fn told_twice_it_goes_at_once() {
    let fifo = Temp::new("fifo");
    assert!(Command::new("mkfifo").arg(fifo.path()).status().unwrap().success());
    let mut running = Running::start(&["--ledger", fifo.path()]);
    // Opened before anything is said: a pipe opens at both ends at once.
    let mut ledger = File::open(&fifo.0).unwrap();
    running.say(&event("big", &long(), 500));
    ledger.read_exact(&mut [0]).unwrap();
    running.signal("-TERM");
    running.complains_until("stopping");
    running.signal("-INT");
    running.complains_until("not drained");
    let output = running.wait();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(rows(&output, ["handled", "not handled", "bodies run"]), [0.0, 1.0, 1.0]);
    assert!(complaints(&output).contains("line 1: event \"big\" was not handled: it had not ended"));
}

#[test]
fn complaints_that_nobody_reads() {
    let file = Temp::holding("unread", &["rubbish".into(), event("a", "ada", 5), "rubbish".into()]);
    let mut child = worker(&[file.path()]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(rows(&output, ["bad lines", "handled"]), [2.0, 1.0]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_ledger_that_fails_is_not_asked_again() {
    let (good, poison) = (event("a", "ada", 5), event("p", "closed", 5));
    let file = Temp::holding("full", &[&good, &good, &poison, &good, &poison]);
    let output = worker(&[file.path(), "--ledger", "/dev/full", "--concurrency", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let complaints = complaints(&output);
    assert_eq!(lines_with(&complaints, "event \"a\": the ledger may have it or not: No space left"), [1]);
    assert_eq!(lines_with(&complaints, "event \"a\": worker.credit: the outcome of attempt 1 is unknown"), [2, 4]);
    assert_eq!(lines_with(&complaints, "event \"a\" was not handled"), [1]);
    assert_eq!(rows(&output, ["bodies run", "not handled", "poison", "replayed"]), [6.0, 1.0, 1.0, 1.0]);
    assert!(String::from_utf8(output.stdout).unwrap().ends_with("\nNOT every event was handled once or set aside\n"));
}

#[test]
#[cfg(target_os = "linux")]
fn input_that_breaks_off() {
    let output = worker(&["/proc/self/mem"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(complaints(&output).starts_with("/proc/self/mem: it broke off: "));
}

#[test]
fn what_cannot_start_says_why() {
    let file = Temp::holding("good", &[event("a", "ada", 5)]);
    for (args, why) in [
        (&["/no/such/file"][..], "/no/such/file: "),
        (&["/"], "/: it is a directory"),
        (&["--ledger", "/no/such/file"], "/no/such/file: "),
        (&[file.path(), "--concurrency", "0"], "--concurrency takes a number from 1"),
        (&[file.path(), "--attempts", "0"], "--attempts takes a number from 1"),
        (&[file.path(), "--attempts", "many"], "not \"many\""),
        (&[file.path(), "--rubbish"], "--rubbish"),
        (&[file.path(), "--ledger"], "--ledger"),
        (&[file.path(), file.path()], file.path()),
    ] {
        let output = worker(args).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = complaints(&output);
        assert!(said.starts_with("worker: ") && said.contains(why), "{args:?}: {said}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    for help in ["--help", "-h"] {
        let output = worker(&[help]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains("--ledger FILE") && said.contains("--attempts N"), "{said}");
    }
}

/// An account whose credit does not fit into a pipe: writing it takes until somebody reads.
fn long() -> String {
    "x".repeat(2_000_000)
}

/// A worker whose input goes on.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        let mut command = worker(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stdin, stdout, stderr }
    }

    fn say(&mut self, lines: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{lines}").unwrap();
    }

    /// The next line of its output.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    fn complains_until(&mut self, what: &str) {
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "it never said {what:?}");
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Ends its input, and waits for it.
    fn end(mut self) -> Output {
        self.stdin = None;
        self.wait()
    }

    /// Waits for it; what it said since.
    fn wait(mut self) -> Output {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        self.stdout.read_to_end(&mut stdout).unwrap();
        self.stderr.read_to_end(&mut stderr).unwrap();
        Output { status: self.child.wait().unwrap(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
