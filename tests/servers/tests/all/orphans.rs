//! A test process that is killed takes its servers with it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use idem_test_servers::{is_alive, Postgres, Redis};

use crate::support::{eventually, processes_in};

const CHILD: &str = "IDEM_TEST_SERVERS_CHILD";

/// Not a test: what the child process does.
#[test]
fn child() {
    let Ok(how) = std::env::var(CHILD) else { return };
    let report = |pid: u32, dir: &Path| {
        let mut out = std::io::stdout();
        writeln!(out, "\nserver {pid} {}", dir.display()).unwrap();
    };
    let (redis, paused) = (Redis::shared(), Redis::start());
    let (postgres, stopped) = (Postgres::shared(), Postgres::start());
    paused.pause();
    stopped.pause();
    report(redis.pid(), redis.dir());
    report(paused.pid(), paused.dir());
    report(postgres.pid(), postgres.dir());
    report(stopped.pid(), stopped.dir());
    if how == "wait" {
        println!("\nready");
        thread::sleep(Duration::from_secs(60));
    }
}

fn run(how: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "orphans::child", "--nocapture"])
        .env(CHILD, how)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let servers: Vec<(u32, PathBuf)> = lines
        .take_while(|line| line != "ready")
        .filter_map(|line| {
            let mut words = line.strip_prefix("server ")?.split(' ');
            Some((words.next()?.parse().ok()?, words.next()?.into()))
        })
        .collect();
    assert_eq!(servers.len(), 4);
    if how == "wait" {
        assert!(servers.iter().all(|(pid, dir)| is_alive(*pid) && dir.exists()));
        child.kill().unwrap();
    }
    child.wait().unwrap();
    // Also of the directory that the data were copied from.
    let prefix = format!("idem-{}-", child.id());
    let left = || {
        let entries = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)).count()
    };
    eventually("nothing is left", || {
        left() == 0 && servers.iter().all(|(pid, dir)| !is_alive(*pid) && !dir.exists() && processes_in(dir).is_empty())
    });
}

#[test]
fn nothing_outlives_a_test_process_that_is_killed() {
    run("wait");
}

#[test]
fn nothing_outlives_a_test_process_that_ends() {
    run("end");
}
