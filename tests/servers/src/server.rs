//! What all servers have in common: a port, a process, and what may happen to it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::ports;
use crate::process::{self, is_alive};
use crate::watchdog::Watchdog;

const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Server {
    watchdog: Watchdog,
    program: PathBuf,
    args: &'static [&'static str],
    ready: Ready,
    port: u16,
    run: Mutex<Run>,
}

/// A process that was waited for is nobody's any more: its id may be another's.
#[derive(Debug, Clone, Copy)]
struct Run {
    pid: u32,
    over: bool,
}

/// Asked again and again until it says yes: of the process with this id, and of what it has logged since its start.
pub(crate) type Ready = fn(dir: &Path, pid: u32, log: &str) -> bool;

enum Failure {
    PortTaken,
    Other(String),
}

impl Server {
    /// `configure` writes the configuration for a port; it is called again if another process was faster to take that port.
    pub(crate) fn start(
        watchdog: Watchdog,
        program: PathBuf,
        args: &'static [&'static str],
        ready: Ready,
        configure: impl Fn(&Watchdog, u16),
    ) -> Self {
        let mut server = Self { watchdog, program, args, ready, port: 0, run: Mutex::new(Run { pid: 0, over: true }) };
        for _ in 0..5 {
            server.port = ports::free();
            configure(&server.watchdog, server.port);
            match server.launch() {
                Ok(()) => return server,
                Err(Failure::PortTaken) => {}
                Err(Failure::Other(error)) => panic!("{error}"),
            }
        }
        panic!("five ports were free, and then not")
    }

    fn launch(&self) -> Result<(), Failure> {
        let before = self.watchdog.log().len();
        let pid = self.watchdog.start(&self.program, self.args);
        *self.run() = Run { pid, over: false };
        let deadline = Instant::now() + DEADLINE;
        loop {
            let ends = !is_alive(pid); // asked first: what it logged before its end is then in the log
            let log = self.watchdog.log();
            let log = log.get(before..).unwrap_or_default();
            if !ends && (self.ready)(self.watchdog.dir(), pid, log) {
                return Ok(());
            }
            if ends || Instant::now() > deadline {
                self.kill();
                if log.contains("already in use") {
                    return Err(Failure::PortTaken);
                }
                let lines: Vec<&str> = log.lines().collect();
                let tail = lines[lines.len().saturating_sub(30)..].join("\n");
                let how = if ends { "ended" } else { "is not ready after 20 s" };
                return Err(Failure::Other(format!("{} {how}:\n{tail}", self.program.display())));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn watchdog(&self) -> &Watchdog {
        &self.watchdog
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.run().pid
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> u32 {
        let run = *self.run();
        assert!(!run.over, "it was killed before");
        run.pid
    }

    pub(crate) fn kill(&self) {
        let mut run = self.run();
        if !run.over {
            process::kill_family(run.pid);
            self.watchdog.reap();
            run.over = true;
        }
    }

    pub(crate) fn restart(&self) {
        self.kill();
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.launch() {
                Ok(()) => return,
                Err(Failure::PortTaken) if Instant::now() < deadline => thread::sleep(Duration::from_millis(50)),
                Err(Failure::PortTaken) => panic!("another process holds port {}", self.port),
                Err(Failure::Other(error)) => panic!("{error}"),
            }
        }
    }

    pub(crate) fn pause(&self) {
        process::pause(self.running());
    }

    pub(crate) fn resume(&self) {
        process::resume(self.running());
    }
}
