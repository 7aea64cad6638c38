//! A test program again, as another process that plays a part.

use std::env;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::{Address, Site};

const PART: &str = "IDEM_PART";
const ADDRESS: &str = "IDEM_ADDRESS";
const EFFECTS: &str = "IDEM_EFFECTS";
/// Before what a child says, for the test harness says something, too.
const MARK: &str = "> ";

/// Another process. It is killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    orders: ChildStdin,
    said: BufReader<ChildStdout>,
}

/// What a child is to do. Its test program has a test `child::plays_its_part`, which finds it here.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// The store.
    pub address: Address,
    effects: PathBuf,
}

impl Process {
    /// Starts a child that plays this part.
    pub fn start(part: &str, site: &Site) -> Self {
        Self::start_with(part, site, [])
    }

    /// Starts one that finds more in its environment.
    pub fn start_with(part: &str, site: &Site, env: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child::plays_its_part", "--nocapture", "--test-threads", "1"])
            .envs(env)
            .env(PART, part)
            .env(ADDRESS, site.address().to_string())
            .env(EFFECTS, site.effects())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (orders, said) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, orders, said }
    }

    /// What it says next; `None` once it has ended.
    pub fn says(&mut self) -> Option<String> {
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

    /// What it says until it ends, which it does well.
    pub fn all(mut self) -> Vec<String> {
        let said = std::iter::from_fn(|| self.says()).collect();
        assert!(self.child.wait().unwrap().success(), "{said:?}");
        said
    }

    /// Tells it something: a line.
    pub fn order(&mut self, order: impl Display) {
        assert!(self.try_order(order), "it lives");
    }

    /// The same, if it has not ended; says whether.
    pub fn try_order(&mut self, order: impl Display) -> bool {
        writeln!(self.orders, "{order}").is_ok()
    }

    /// Asks it something.
    pub fn ask(&mut self, order: impl Display) -> String {
        self.order(order);
        self.says().expect("it answers")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `SIGSTOP`; it stands still when this returns.
    pub fn pause(&self) {
        idem_test_servers::pause(self.child.id());
    }

    /// `SIGCONT`.
    pub fn resume(&self) {
        idem_test_servers::resume(self.child.id());
    }

    /// `SIGKILL`; it is gone when this returns.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Part {
    /// What this process was started for; `None` in one that runs tests.
    pub fn take() -> Option<Self> {
        let name = env::var(PART).ok()?;
        idem_test_servers::die_with_parent();
        let address = env::var(ADDRESS).unwrap().parse().unwrap();
        Some(Self { name, address, effects: env::var_os(EFFECTS).unwrap().into() })
    }

    /// Plays it.
    pub fn play(&self, part: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(part);
    }

    /// Does what a body is there for: one line more, in one write.
    pub fn effect(&self, line: impl Display) {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.effects).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// Says something to the parent: a line.
pub fn say(what: impl Display) {
    println!("{MARK}{what}");
}

/// What the parent tells this child next. One whose parent is gone ends.
pub async fn hear() -> String {
    let heard = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        match std::io::stdin().lock().read_line(&mut line) {
            Ok(1..) => line.trim_end().to_owned(),
            _ => std::process::exit(0),
        }
    });
    heard.await.unwrap()
}
