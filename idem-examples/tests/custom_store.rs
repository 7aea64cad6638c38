//! Runs the program as its user does. Its stores have tests of their own, beside them.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../src/bin/custom_store/temp.rs"]
mod temp;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use temp::Temp;

/// Both stores, by their options.
const STORES: [&[&str]; 2] = [&[], &["--cas"]];

fn custom_store(dir: &Path, id: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_custom_store"));
    command.arg(dir).arg(id).args(more);
    command
}

fn letters(dir: &Path) -> String {
    fs::read_to_string(dir.join("letters")).unwrap_or_default()
}

fn complaints(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// How the call was answered, and what is known of the letter.
fn answer(output: &Output) -> (String, String) {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    let (how, receipt) = said.lines().last().unwrap().split_once(": ").unwrap();
    assert_eq!(said.contains("mailing"), how == "executed", "{said}");
    (how.to_owned(), receipt.to_owned())
}

#[test]
fn the_second_process_replays_what_the_first_one_did() {
    for store in STORES {
        let dir = Temp::new("twice");
        let first = answer(&custom_store(&dir, "o-1", store).output().unwrap());
        assert_eq!(first.0, "executed");
        for _ in 0..3 {
            let again = answer(&custom_store(&dir, "o-1", store).output().unwrap());
            assert_eq!(again, ("replayed".into(), first.1.clone()));
        }
        let other = answer(&custom_store(&dir, "o-2", store).output().unwrap());
        assert_eq!(other.0, "executed");
        assert_eq!(letters(&dir), "\"o-1\"\n\"o-2\"\n");
    }
}

#[test]
fn of_eight_processes_at_once_one_mails_the_letter() {
    for round in 0..5 {
        let dir = Temp::new("eight");
        let begin = || custom_store(&dir, "o-1", &["--cas"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let children: Vec<_> = (0..8).map(|_| begin().unwrap()).collect();
        let answers = children.into_iter().map(|child| answer(&child.wait_with_output().unwrap()));
        let (hows, receipts): (Vec<_>, Vec<_>) = answers.unzip();
        assert_eq!(hows.iter().filter(|how| *how == "executed").count(), 1, "round {round}: {hows:?}");
        assert!(receipts.iter().all(|receipt| *receipt == receipts[0]), "{receipts:?}");
        assert_eq!(letters(&dir), "\"o-1\"\n");
    }
}

/// A process that is mailing its letter, and goes on doing so until somebody reads it.
struct Mailing {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Mailing {
    fn start(dir: &Path, id: &str, store: &[&str]) -> Self {
        assert!(Command::new("mkfifo").arg(dir.join("letters")).status().unwrap().success());
        let mut child = custom_store(dir, id, store).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, format!("mailing {id:?}\n"));
        Self { child, stdout }
    }

    fn end(mut self) -> Output {
        let mut stdout = Vec::new();
        self.stdout.read_to_end(&mut stdout).unwrap();
        Output { status: self.child.wait().unwrap(), stdout: [b"mailing\n", &*stdout].concat(), stderr: Vec::new() }
    }
}

impl Drop for Mailing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_second_process_waits_for_the_first_one() {
    let dir = Temp::new("waits");
    let first = Mailing::start(&dir, "o-1", &["--cas"]);
    let mut second = custom_store(&dir, "o-1", &["--cas"]);
    let second = second.stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(letters(&dir), "\"o-1\"\n");
    let first = answer(&first.end());
    assert_eq!(first.0, "executed");
    let second = answer(&second.wait_with_output().unwrap());
    assert!(second.0 == "attached" || second.0 == "replayed", "{second:?}");
    assert_eq!(second.1, first.1);
}

#[test]
fn a_journal_is_for_one_process() {
    let dir = Temp::new("one");
    let others = fs::File::create(dir.join("journal.lock")).unwrap();
    others.lock().unwrap();
    let second = custom_store(&dir, "o-1", &[]).output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    assert_eq!(complaints(&second), format!("custom_store: {}: another process has the journal\n", dir.display()));
    drop(others);
    assert_eq!(answer(&custom_store(&dir, "o-1", &[]).output().unwrap()).0, "executed");
}

#[test]
fn what_a_killed_process_had_begun_is_begun_again_after_its_lease() {
    let dirs = ["killed", "killed-cas"].map(Temp::new);
    for (dir, store) in dirs.iter().zip(STORES) {
        drop(Mailing::start(dir, "o-1", store));
        fs::remove_file(dir.join("letters")).unwrap();
    }
    // Both at once: each waits for a lease.
    let next = [0, 1].map(|n| custom_store(&dirs[n], "o-1", STORES[n]).stdout(Stdio::piped()).spawn().unwrap());
    for ((next, dir), store) in next.into_iter().zip(&dirs).zip(STORES) {
        let (how, receipt) = answer(&next.wait_with_output().unwrap());
        assert!(how == "executed" && receipt.ends_with("in attempt 2"), "{how}: {receipt}");
        assert_eq!(letters(dir), "\"o-1\"\n");
        assert_eq!(answer(&custom_store(dir, "o-1", store).output().unwrap()), ("replayed".into(), receipt));
    }
}

#[test]
fn a_letter_that_cannot_be_mailed_is_tried_again() {
    for store in STORES {
        let dir = Temp::new("no-post");
        fs::create_dir(dir.join("letters")).unwrap();
        let output = custom_store(&dir, "o-1", store).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(
            complaints(&output).starts_with("custom_store: the letter may have been mailed or not: "),
            "{output:?}"
        );
        fs::remove_dir(dir.join("letters")).unwrap();
        let (how, receipt) = answer(&custom_store(&dir, "o-1", store).output().unwrap());
        assert!(how == "executed" && receipt.ends_with("in attempt 2"), "{how}: {receipt}");
    }
}

#[test]
fn nothing_runs_that_the_disk_does_not_know_of() {
    let (dir, long) = (Temp::new("full"), "x".repeat(idem::Key::LIMIT));
    assert_eq!(answer(&custom_store(&dir, "o-1", &[]).output().unwrap()).0, "executed");
    // Files have no room for the claim.
    let mut full = Command::new("sh");
    full.args(["-c", "trap '' XFSZ; ulimit -f 2; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_custom_store")]);
    let output = full.arg(&*dir).arg(&long).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = complaints(&output);
    assert!(said.contains("letters.mail: the store failed: a write to the journal failed (File too large"), "{said}");
    assert!(!letters(&dir).contains('x') && output.stdout.is_empty());
    let torn = fs::read(dir.join("journal")).unwrap();
    assert_ne!(torn.last(), Some(&b'\n'), "the claim is there in part");
    assert_eq!(answer(&custom_store(&dir, "o-1", &[]).output().unwrap()).0, "replayed");
    assert_eq!(answer(&custom_store(&dir, &long, &[]).output().unwrap()).0, "executed");
}

#[test]
fn what_cannot_start_says_why() {
    let (journal, files, good) = (Temp::new("is-journal"), Temp::new("is-files"), Temp::new("good"));
    answer(&custom_store(&journal, "o-1", &[]).output().unwrap());
    answer(&custom_store(&files, "o-1", &["--cas"]).output().unwrap());
    let damaged = Temp::new("is-damaged");
    fs::write(damaged.join("journal"), "idem journal 1\nrubbish\nmore\n").unwrap();
    let name = |dir: &Temp| dir.to_str().unwrap().to_owned();
    for (args, why) in [
        (&[][..], "it needs a directory"),
        (&[&*name(&good)], "it needs the id of a letter"),
        (&[&*name(&good), "o-1", "o-2"], "o-2"),
        (&[&*name(&good), "o-1", "--rubbish"], "--rubbish"),
        (&["/no/such/directory", "o-1"], "/no/such/directory: No such file or directory"),
        (&["/no/such/directory", "o-1", "--cas"], "/no/such/directory: No such file or directory"),
        (&[&*name(&journal), "o-1", "--cas"], "there is a journal in it: leave --cas out"),
        (&[&*name(&files), "o-1"], "there are records of --cas in it"),
        (&[&*name(&damaged), "o-1"], "line 2 of the journal is damaged"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_custom_store")).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = complaints(&output);
        assert!(said.starts_with("custom_store: ") && said.contains(why), "{args:?}: {said}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    assert_eq!(fs::read_dir(&*good).unwrap().count(), 0, "nothing was made");
    let output = custom_store(&good, "", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaints(&output).contains("invalid key: it is empty"), "{output:?}");
    for help in ["--help", "-h"] {
        let output = Command::new(env!("CARGO_BIN_EXE_custom_store")).arg(help).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains("DIR ID --cas"), "{said}");
    }
}
