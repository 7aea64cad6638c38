//! One Redis.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::clock;
use crate::ports;
use crate::require::require;
use crate::server::Server;
use crate::tls;
use crate::watchdog::{Quit, Watchdog};

/// A Redis server of its own. Dropping it stops it and removes its directory.
///
/// It keeps what it has acknowledged when it is killed: `appendonly yes`.
#[derive(Debug)]
pub struct Redis {
    server: Server,
    cli: PathBuf,
    password: Option<String>,
    tls: bool,
}

/// Configures a [`Redis`].
#[derive(Debug, Clone, Default)]
pub struct RedisBuilder {
    lines: Vec<String>,
    password: Option<String>,
    tls: bool,
    cluster: bool,
    clock: Option<u64>,
}

impl RedisBuilder {
    /// Adds a line to `redis.conf`, such as `maxmemory-policy allkeys-lru`. A later line wins.
    pub fn config(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// The default user's password: none unless set. [`Redis::url`] and [`Redis::cli`] use it.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.config(format!("requirepass {password}"))
    }

    /// Adds a user: a name and ACL rules, such as `on >secret ~app:* +@all`. [`Redis::url_as`] makes its URL.
    pub fn user(self, name: &str, rules: &str) -> Self {
        self.config(format!("user {name} {rules}"))
    }

    /// Takes TLS connections only, with a certificate for 127.0.0.1 and localhost whose authority is [`Redis::ca_pem`].
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Gives it a clock that stands still at so many microseconds since 1970, until [`Redis::set_clock`] sets it.
    pub fn clock(mut self, micros: u64) -> Self {
        self.clock = Some(micros);
        self
    }

    /// A node of a cluster that it has still to meet.
    pub(crate) fn cluster(mut self) -> Self {
        self.cluster = true;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// If it does not answer within 20 seconds, with the end of its log.
    pub fn start(self) -> Redis {
        let (program, cli) = (require("redis-server"), require("redis-cli"));
        let watchdog = Watchdog::new(None, Quit::Kill);
        if self.tls {
            tls::make(&watchdog);
        }
        if let Some(micros) = self.clock {
            clock::make(watchdog.dir(), micros);
        }
        let server = Server::start(watchdog, program, &["redis.conf"], ready, |watchdog, port| {
            let port = if self.tls {
                format!("port 0\ntls-port {port}\ntls-cert-file server.crt\ntls-key-file server.key\ntls-ca-cert-file ca.crt\ntls-auth-clients no")
            } else {
                format!("port {port}")
            };
            let mut lines = self.lines.join("\n");
            if self.cluster {
                lines = format!("{CLUSTER}cluster-port {}\n{lines}", ports::free());
            }
            watchdog.write("redis.conf", &format!("bind 127.0.0.1\n{port}\nsave \"\"\nappendonly yes\n{lines}\n"));
        });
        let redis = Redis { server, cli, password: self.password, tls: self.tls };
        let answer = redis.cli(&["PING"]);
        // Whoever refuses to answer has heard the question.
        assert!(["PONG", "NOAUTH", "NOPERM"].iter().any(|word| answer.contains(word)), "{answer}");
        redis
    }
}

// A replica takes over however long ago it heard of its master.
const CLUSTER: &str = "\
cluster-enabled yes
cluster-node-timeout 2000
cluster-replica-validity-factor 0
repl-diskless-sync-delay 0
";

/// It has loaded its data, and it is this process: another's port would answer, too.
fn ready(_: &Path, pid: u32, log: &str) -> bool {
    log.lines().any(|line| line.starts_with(&format!("{pid}:")) && line.contains("Ready to accept connections"))
}

impl Redis {
    /// Starts one with the defaults.
    ///
    /// # Panics
    ///
    /// As [`RedisBuilder::start`].
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Configures one.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// The one that all tests of a process share: leave it alive, and use keys of your own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Redis> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Sets the clock that [`RedisBuilder::clock`] gave it.
    pub fn set_clock(&self, micros: u64) {
        clock::set(self.dir(), micros);
    }

    /// Such as `redis://127.0.0.1:20000`; with the password if it has one, and `rediss://` if it wants TLS.
    pub fn url(&self) -> String {
        let user = self.password.as_ref().map_or(String::new(), |password| format!("default:{password}@"));
        format!("{}://{user}127.0.0.1:{}", self.scheme(), self.port())
    }

    /// The URL of another user.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!("{}://{user}:{password}@127.0.0.1:{}", self.scheme(), self.port())
    }

    fn scheme(&self) -> &str {
        if self.tls {
            "rediss"
        } else {
            "redis"
        }
    }

    /// The certificate of the authority that signed the server's, as PEM.
    ///
    /// # Panics
    ///
    /// Without [`RedisBuilder::tls`].
    pub fn ca_pem(&self) -> String {
        fs::read_to_string(self.dir().join("ca.crt")).expect("it was built with tls()")
    }

    /// Its port, also after a restart.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The port at which other nodes of its cluster reach it.
    pub(crate) fn bus_port(&self) -> u16 {
        self.cli(&["--raw", "CONFIG", "GET", "cluster-port"])
            .lines()
            .nth(1)
            .and_then(|port| port.parse().ok())
            .expect("one")
    }

    /// Its process id; that of its last run, if it was killed.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.server.watchdog().dir()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.server.watchdog().log()
    }

    /// Kills it with `SIGKILL`; when this returns it is gone. What it acknowledged is there after [`restart`](Self::restart).
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Starts it again with its data on its port, and returns when it answers. Kills it first if it still runs.
    ///
    /// # Panics
    ///
    /// If it is not ready within 20 seconds.
    pub fn restart(&self) {
        self.server.restart();
    }

    /// Stops it where it is, with `SIGSTOP`: connections stay open, nothing is answered.
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Lets it go on: it then does what it was asked to meanwhile.
    pub fn resume(&self) {
        self.server.resume();
    }

    /// Runs `redis-cli` with these arguments, and returns what it prints without the last line's end: a refusal, too, and
    /// why it cannot connect.
    pub fn cli(&self, args: &[&str]) -> String {
        let mut command = Command::new(&self.cli);
        command.args(["-h", "127.0.0.1", "-p", &self.port().to_string()]);
        if let Some(password) = &self.password {
            command.env("REDISCLI_AUTH", password);
        }
        if self.tls {
            command.arg("--tls").arg("--cacert").arg(self.dir().join("ca.crt"));
        }
        let output = command.args(args).output().expect("redis-cli starts");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).trim_end_matches('\n').to_owned()
    }
}
