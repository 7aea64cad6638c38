//! A directory, and the process that runs in it, for as long as this process lives.
//!
//! Destructors do not run for statics, nor when a test process is killed. So a shell stands between: it starts the server,
//! waits for the end of its standard input, whose other end only we hold, then kills the server and removes the directory.

use std::env;
use std::fs::{self, DirBuilder};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{chown, DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;

use crate::account::Account;
use crate::clock;

/// The signal for the end: the one that lets the server clean up after itself, quickly.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Quit {
    /// `SIGKILL`
    Kill,
    /// `SIGQUIT`
    Quit,
}

#[derive(Debug)]
pub(crate) struct Watchdog {
    dir: PathBuf,
    account: Option<Account>,
    shell: Mutex<Shell>,
}

#[derive(Debug)]
struct Shell {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Watchdog {
    /// Makes the directory, whose owner is `account`.
    pub(crate) fn new(account: Option<Account>, quit: Quit) -> Self {
        let dir = directory(account);
        let quit = match quit {
            Quit::Kill => "KILL",
            Quit::Quit => "QUIT",
        };
        write(account, &dir.join("watchdog.sh"), include_str!("watchdog.sh"));
        let mut child = command(Path::new("sh"), &dir, account)
            .arg("watchdog.sh")
            .arg(&dir)
            .arg(quit)
            .process_group(0) // a Ctrl-C at the terminal is not for it
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self { dir, account, shell: Mutex::new(Shell { child, orders, answers }) }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the server said, all its runs.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join("log")).unwrap_or_default()).into_owned()
    }

    /// Writes a file that the server's account can read.
    pub(crate) fn write(&self, name: &str, text: &str) {
        write(self.account, &self.dir.join(name), text);
    }

    /// Runs a program to its end, as the server's account, in its directory.
    pub(crate) fn run<'a>(&self, program: &Path, args: impl IntoIterator<Item = &'a str>) {
        let output = command(program, &self.dir, self.account).args(args).output().expect("it starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {}\n{error}", program.display(), output.status);
    }

    /// Starts a server, and returns its process id.
    pub(crate) fn start(&self, program: &Path, args: &[&str]) -> u32 {
        let before = clock::before(&self.dir);
        let command = [program.to_str().expect("UTF-8")].into_iter().chain(args.iter().copied());
        let words = before.iter().map(String::as_str).chain(command);
        let quoted: Vec<String> = words.map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        self.ask(&format!("start {}", quoted.join(" "))).trim().parse().expect("a pid")
    }

    /// Waits for the end of a server that was killed, so that its id is free.
    pub(crate) fn reap(&self) {
        self.ask("reap");
    }

    fn ask(&self, order: &str) -> String {
        let mut shell = self.shell.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        writeln!(shell.orders.as_mut().expect("open until dropped"), "{order}").expect("the watchdog lives");
        let mut answer = String::new();
        shell.answers.read_line(&mut answer).expect("the watchdog lives");
        answer
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let shell = self.shell.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        shell.orders = None;
        let _ = shell.child.wait();
    }
}

fn command(program: &Path, dir: &Path, account: Option<Account>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).stdin(Stdio::null());
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}

fn write(account: Option<Account>, path: &Path, text: &str) {
    fs::write(path, text).expect("the directory can be written to");
    give(account, path);
}

fn give(account: Option<Account>, path: &Path) {
    if let Some(account) = account {
        chown(path, Some(account.uid), Some(account.gid)).expect("root may do that");
    }
}

fn directory(account: Option<Account>) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut base = env::temp_dir();
    // Another user has to get there.
    let open = |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0);
    if account.is_some() && !base.ancestors().all(open) {
        base = "/tmp".into();
    }
    loop {
        // Short: the path of a Unix socket has to fit into 107 bytes.
        let dir = base.join(format!("idem-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        match DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => {
                give(account, &dir);
                return dir;
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {} // of a process long gone
            Err(error) => panic!("no directory in {}: {error}", base.display()),
        }
    }
}
