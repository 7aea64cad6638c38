//! This test program again, as another process that plays a part.

use std::env;
use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const PART: &str = "IDEM_SQLITE_PART";
const FILE: &str = "IDEM_SQLITE_FILE";
/// Before what a child says, for the test harness says something, too.
const MARK: &str = "> ";

/// Another process. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    orders: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(part: &str, file: &Path) -> Self {
        Self::start_with(Command::new(env::current_exe().unwrap()), part, file)
    }

    /// `command` must end in this program.
    pub(crate) fn start_with(mut command: Command, part: &str, file: &Path) -> Self {
        let mut child = command
            .args(["--exact", "child::plays_its_part", "--nocapture", "--test-threads", "1"])
            .env(PART, part)
            .env(FILE, file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (orders, said) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, orders, said }
    }

    /// What it says next; `None` once it has ended.
    pub(crate) fn says(&mut self) -> Option<String> {
        let mut line = String::new();
        while self.said.read_line(&mut line).unwrap() > 0 {
            // The harness ends none of its lines before a test of one thread speaks.
            if let Some((_, said)) = line.split_once(MARK) {
                return Some(said.trim_end().to_owned());
            }
            line.clear();
        }
        None
    }

    pub(crate) fn all(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.says()).collect()
    }

    /// Lets it go on from where it waits.
    pub(crate) fn go(&mut self) {
        writeln!(self.orders, "go").unwrap();
    }

    /// `SIGKILL`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn ends_well(mut self) {
        assert_eq!(self.all(), [""; 0]);
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn say(what: impl std::fmt::Display) {
    println!("{MARK}{what}");
}

/// Says that it is there, and waits to be let go.
pub(crate) fn ready() {
    say("ready");
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
}

fn run(part: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(part);
}

/// Not a test of its own: what a test starts.
#[test]
fn plays_its_part() {
    let (Ok(part), Some(file)) = (env::var(PART), env::var_os(FILE).map(PathBuf::from)) else {
        return;
    };
    match &*part {
        "open" => run(crate::processes::open(file)),
        "hammer" => run(crate::processes::hammer(file)),
        "threads" => run(crate::processes::threads(file)),
        "endings" => run(crate::killed::endings(file)),
        "fill" => run(crate::full::fill(file)),
        "break" => run(crate::full::breaks(file)),
        other => panic!("there is no part {other}"),
    }
}
