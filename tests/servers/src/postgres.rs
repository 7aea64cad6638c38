//! One PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;

use crate::account::Account;
use crate::clock;
use crate::require::require;
use crate::server::Server;
use crate::tls;
use crate::watchdog::{Quit, Watchdog};

/// A PostgreSQL server of its own. Dropping it stops it and removes its directory.
///
/// Everybody on this machine may connect as its superuser, `postgres`. `fsync` and `synchronous_commit` are on.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    main: Database,
}

/// A database in a [`Postgres`].
#[derive(Debug, Clone)]
pub struct Database {
    port: u16,
    name: String,
    psql: PathBuf,
}

/// Configures a [`Postgres`].
#[derive(Debug, Clone, Default)]
pub struct PostgresBuilder {
    lines: Vec<String>,
    tls: bool,
    clock: Option<u64>,
}

impl PostgresBuilder {
    /// Adds a line to `postgresql.conf`, such as `max_connections = 10`. A later line wins.
    pub fn config(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Takes TLS connections as well, with a certificate for 127.0.0.1 and localhost whose authority is
    /// [`Postgres::ca_pem`].
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self.config("ssl = on").config("ssl_cert_file = '../server.crt'").config("ssl_key_file = '../server.key'")
    }

    /// Gives it a clock that stands still at so many microseconds since 1970, until [`Postgres::set_clock`] sets it.
    pub fn clock(mut self, micros: u64) -> Self {
        self.clock = Some(micros);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// If it does not accept connections within 20 seconds, with the end of its log.
    pub fn start(self) -> Postgres {
        let (program, psql) = (require("postgres"), require("psql"));
        let watchdog = Watchdog::new(Account::unprivileged(), Quit::Quit);
        let template = template().to_str().expect("UTF-8");
        watchdog.run(&require("cp"), ["-R", "--preserve=mode,timestamps", template, "data"]);
        if self.tls {
            tls::make(&watchdog);
        }
        if let Some(micros) = self.clock {
            clock::make(watchdog.dir(), micros);
        }
        let original = fs::read_to_string(watchdog.dir().join("data/postgresql.conf")).expect("initdb wrote it");
        let server = Server::start(watchdog, program, &["-D", "data"], ready, |watchdog, port| {
            let dir = watchdog.dir().display();
            let lines = self.lines.join("\n");
            let more = format!("port = {port}\nunix_socket_directories = '{dir}'\n{DEFAULTS}{lines}\n");
            watchdog.write("data/postgresql.conf", &format!("{original}\n{more}"));
        });
        let main = Database { port: server.port(), name: "postgres".into(), psql };
        Postgres { server, main }
    }
}

// Mapped files are removed with the directory, shared memory would not be.
const DEFAULTS: &str = "\
listen_addresses = '127.0.0.1'
fsync = on
synchronous_commit = on
dynamic_shared_memory_type = mmap
";

/// A fresh data directory, made once: `initdb` takes a second, a copy does not.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<Watchdog> = OnceLock::new();
    static DATA: OnceLock<PathBuf> = OnceLock::new();
    DATA.get_or_init(|| {
        let watchdog = TEMPLATE.get_or_init(|| Watchdog::new(Account::unprivileged(), Quit::Kill));
        let args = "-D data -U postgres -A trust -E UTF8 --no-locale --no-sync --no-instructions";
        watchdog.run(&require("initdb"), args.split(' '));
        watchdog.dir().join("data")
    })
}

/// The file names the process that owns the directory, and says in the eighth line how it is.
fn ready(dir: &Path, pid: u32, _: &str) -> bool {
    let text = fs::read_to_string(dir.join("data/postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines();
    lines.next() == Some(&pid.to_string()) && lines.nth(6).is_some_and(|status| status.trim() == "ready")
}

impl Postgres {
    /// Starts one with the defaults.
    ///
    /// # Panics
    ///
    /// As [`PostgresBuilder::start`].
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Configures one.
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::default()
    }

    /// Sets the clock that [`PostgresBuilder::clock`] gave it.
    pub fn set_clock(&self, micros: u64) {
        clock::set(self.dir(), micros);
    }

    /// The one that all tests of a process share: leave it alive, and use a [`fresh_database`](Self::fresh_database).
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::builder().config("max_connections = 500").start())
    }

    /// An empty database that nobody else uses. It goes with the server.
    pub fn fresh_database(&self) -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.psql(&format!("CREATE DATABASE {name}"));
        Database { name, ..self.main.clone() }
    }

    /// The database `postgres`.
    pub fn main_database(&self) -> &Database {
        &self.main
    }

    /// The URL of the database `postgres`, such as `postgres://postgres@127.0.0.1:20000/postgres`.
    pub fn url(&self) -> String {
        self.main.url()
    }

    /// The certificate of the authority that signed the server's, as PEM.
    ///
    /// # Panics
    ///
    /// Without [`PostgresBuilder::tls`].
    pub fn ca_pem(&self) -> String {
        fs::read_to_string(self.dir().join("ca.crt")).expect("it was built with tls()")
    }

    /// Its port, also after a restart.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The postmaster's process id; that of its last run, if it was killed.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Its directory: there are the data, in `data`, and its Unix socket.
    pub fn dir(&self) -> &Path {
        self.server.watchdog().dir()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.server.watchdog().log()
    }

    /// Kills all its processes with `SIGKILL`; when this returns they are gone.
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Starts it again with its data on its port, and returns when it accepts connections. Kills it first if it still runs.
    ///
    /// # Panics
    ///
    /// If it is not ready within 20 seconds.
    pub fn restart(&self) {
        self.server.restart();
    }

    /// Stops all its processes where they are, with `SIGSTOP`: connections stay open, nothing is answered.
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Lets them go on: they then do what they were asked to meanwhile.
    pub fn resume(&self) {
        self.server.resume();
    }

    /// [`Database::psql`] in the database `postgres`.
    pub fn psql(&self, sql: &str) -> String {
        self.main.psql(sql)
    }
}

impl Database {
    /// Such as `postgres://postgres@127.0.0.1:20000/test_0`.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{}", self.port, self.name)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// By way of another port.
    pub(crate) fn at(&self, port: u16) -> Self {
        Self { port, ..self.clone() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements in one transaction, and returns the rows: `|` between columns, one line each.
    ///
    /// # Panics
    ///
    /// If they fail.
    pub fn psql(&self, sql: &str) -> String {
        self.try_psql(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// As [`psql`](Self::psql), for statements that may fail; the error is what `psql` says.
    pub fn try_psql(&self, sql: &str) -> Result<String, String> {
        let output = Command::new(&self.psql)
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, &self.url()])
            .output()
            .expect("psql starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }
}
