//! One PgBouncer.

use crate::account::Account;
use crate::postgres::{Database, Postgres};
use crate::require::require;
use crate::server::Server;
use crate::watchdog::{Quit, Watchdog};

/// A PgBouncer of its own before a [`Postgres`], in transaction pooling: a client has another connection for each
/// transaction. Dropping it stops it and removes its directory.
#[derive(Debug)]
pub struct PgBouncer {
    server: Server,
    main: Database,
}

/// Configures a [`PgBouncer`].
#[derive(Debug, Clone)]
pub struct PgBouncerBuilder {
    target: Database,
    lines: Vec<String>,
}

impl PgBouncerBuilder {
    /// Adds a line to `pgbouncer.ini`, such as `default_pool_size = 1`. A later line wins.
    pub fn config(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// If it does not answer within 20 seconds, with the end of its log.
    pub fn start(self) -> PgBouncer {
        let program = require("pgbouncer");
        let watchdog = Watchdog::new(Account::unprivileged(), Quit::Kill);
        let server = Server::start(watchdog, program, &["pgbouncer.ini"], ready, |watchdog, port| {
            let target = self.target.port();
            let lines = self.lines.join("\n");
            let databases = format!("[databases]\n* = host=127.0.0.1 port={target} user=postgres\n");
            watchdog
                .write("pgbouncer.ini", &format!("{databases}[pgbouncer]\nlisten_port = {port}\n{DEFAULTS}{lines}\n"));
        });
        let main = self.target.at(server.port());
        PgBouncer { server, main }
    }
}

const DEFAULTS: &str = "\
listen_addr = 127.0.0.1
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 1000
ignore_startup_parameters = extra_float_digits
";

fn ready(_: &std::path::Path, pid: u32, log: &str) -> bool {
    log.lines().any(|line| line.contains(&format!("[{pid}]")) && line.contains("process up"))
}

impl PgBouncer {
    /// Starts one with the defaults.
    ///
    /// # Panics
    ///
    /// As [`PgBouncerBuilder::start`].
    pub fn start(postgres: &Postgres) -> Self {
        Self::builder(postgres).start()
    }

    /// Configures one.
    pub fn builder(postgres: &Postgres) -> PgBouncerBuilder {
        PgBouncerBuilder { target: postgres.main_database().clone(), lines: Vec::new() }
    }

    /// The URL of the database `postgres`.
    pub fn url(&self) -> String {
        self.main.url()
    }

    /// A database of the server behind it, by way of this one.
    pub fn database(&self, database: &Database) -> Database {
        database.at(self.port())
    }

    /// Its port, also after a restart.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Its process id; that of its last run, if it was killed.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.server.watchdog().log()
    }

    /// Kills it with `SIGKILL`; when this returns it is gone.
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Starts it again on its port, and returns when it answers. Kills it first if it still runs.
    ///
    /// # Panics
    ///
    /// If it is not ready within 20 seconds.
    pub fn restart(&self) {
        self.server.restart();
    }

    /// Stops it where it is, with `SIGSTOP`.
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.server.resume();
    }
}
