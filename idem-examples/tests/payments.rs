//! Runs the program as its user does.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

fn payments(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_payments"));
    command.args(args);
    command
}

/// The table, by the names of its rows.
fn table(output: &Output) -> HashMap<String, f64> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let row = |line: &str| Some((line.get(..14)?.trim().to_owned(), line.get(14..)?.trim().parse().ok()?));
    text.lines().filter_map(row).collect()
}

#[test]
fn everybody_is_charged_once() {
    let output = payments(&[]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "no progress bar where there is no terminal");
    let table = table(&output);
    assert_eq!((table["orders"], table["charged twice"], table["not charged"]), (600.0, 0.0, 0.0));
    assert_eq!(table["charged"], table["owed"]);
    // 600 charges, and one more try for each of the 86 orders whose gateway fails at first.
    assert_eq!((table["bodies run"], table["refused"]), (686.0, 85.0));
    assert!(table["attached"] > 0.0 && table["replayed"] > 0.0 && table["requests sent"] > 1200.0);
}

#[test]
fn unguarded_shows_the_damage() {
    let output = payments(&["--unguarded"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let table = table(&output);
    assert!(table["charged twice"] > 0.0 && table["charged"] > table["owed"], "{table:?}");
    assert_eq!((table["attached"], table["replayed"], table["refused"]), (0.0, 0.0, 0.0));
}

#[test]
fn orders_of_ones_own_and_bad_lines_by_number() {
    let file = std::env::temp_dir().join(format!("idem-payments-{}.jsonl", std::process::id()));
    let lines: [&[u8]; 9] = [
        br#"{"id": "a", "cents": 500}"#,
        b"rubbish",
        br#"{"id": "", "cents": 1}"#,
        br#"{"id": "a", "cents": 500}"#,
        b"",
        br#"{"id": "b", "cents": -1}"#,
        b"\xff\xfe",
        br#"{"id": "b", "cents": 25}"#,
        br#"{"id": "rich", "cents": 18446744073709551615}"#,
    ];
    std::fs::write(&file, lines.join(&b'\n')).unwrap();
    let output = payments(&["--orders", file.to_str().unwrap()]).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(output.status.success(), "{output:?}");
    let table = table(&output);
    assert_eq!(
        (table["orders"], table["charged"], table["owed"]),
        (3.0, 184_467_440_737_095_521.4, 184_467_440_737_095_521.4)
    );
    let complaints = String::from_utf8(output.stderr).unwrap();
    let named: Vec<_> = (1..=8).filter(|line| complaints.contains(&format!("line {line}: "))).collect();
    assert_eq!(named, [2, 3, 4, 6, 7], "{complaints}");
}

#[test]
fn what_cannot_start_says_why() {
    for args in [
        &["--orders", "/no/such/file"][..],
        &["--orders", "x", "--serve", "127.0.0.1:0"],
        &["--serve", "nonsense"],
        &["--rubbish"],
        &["--orders"],
    ] {
        let output = payments(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("payments: "), "{args:?}");
    }
    let help = payments(&["--help"]).output().unwrap();
    assert!(help.status.success() && String::from_utf8(help.stdout).unwrap().contains("--unguarded"));
}

struct Server {
    child: Child,
    address: String,
    output: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn start() -> Self {
        let mut child = payments(&["--serve", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
        Self { child, address, output }
    }

    fn send(&self, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = "POST /charges HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close";
        write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        stream
    }

    fn post(&self, body: &str) -> String {
        let mut answer = String::new();
        self.send(body).read_to_string(&mut answer).unwrap();
        answer.to_lowercase()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn serving_answers_as_the_table_says() {
    let server = Server::start();
    let first = server.post(r#"{"id": "o-1", "cents": 500}"#);
    assert!(first.starts_with("http/1.1 201") && !first.contains("idempotent-replayed"), "{first}");
    let again = server.post(r#"{"cents": 500, "id": "o-1"}"#);
    assert!(again.starts_with("http/1.1 201") && again.contains("idempotent-replayed: true"), "{again}");
    let body = |answer: &str| answer.rsplit("\r\n\r\n").next().unwrap().to_owned();
    assert_eq!(body(&first), body(&again), "the same receipt");
    assert!(server.post(r#"{"id": "o-1", "cents": 501}"#).starts_with("http/1.1 422"));
    assert!(server.post(r#"{"id": "", "cents": 500}"#).starts_with("http/1.1 400"));
    assert!(server.post("rubbish").starts_with("http/1.1 400"));
}

#[test]
fn sigterm_lets_charges_finish_whose_clients_have_left() {
    let mut server = Server::start();
    server.post(r#"{"id": "o-1", "cents": 500}"#);
    let waiting = server.send(r#"{"id": "o-2", "cents": 500}"#);
    let mut line = String::new();
    while line != "charging o-2 500\n" {
        line.clear();
        assert!(server.output.read_line(&mut line).unwrap() > 0, "it never began");
    }
    drop(waiting);
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut rest = String::new();
    server.output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "charged o-2 500\ndrained\n");
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn sigterm_does_not_wait_for_a_request_that_never_ends() {
    let mut server = Server::start();
    let mut half = TcpStream::connect(&server.address).unwrap();
    write!(half, "POST /charges HTTP/1.1\r\nhost: localhost\r\ncontent-length: 30\r\n\r\n{{").unwrap();
    server.post(r#"{"id": "o-1", "cents": 500}"#);
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(server.child.wait().unwrap().success());
    drop(half);
}
