use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, thread};

use idem_test_servers::{is_alive, require, Postgres};

use crate::support::{eventually, processes_in};

#[test]
fn it_keeps_its_data_and_its_port_when_it_is_killed() {
    let postgres = Postgres::start();
    let (pid, port) = (postgres.pid(), postgres.port());
    postgres.psql("CREATE TABLE t (n int); INSERT INTO t VALUES (7)");
    let family = processes_in(postgres.dir());
    assert!(family.len() > 4, "the postmaster, its children and the watchdog");
    postgres.kill();
    assert_eq!(family.iter().filter(|pid| is_alive(**pid)).count(), 1, "only the watchdog is left");
    assert!(postgres.main_database().try_psql("SELECT 1").unwrap_err().contains("refused"));
    postgres.restart();
    assert_eq!((postgres.psql("SELECT n FROM t").as_str(), postgres.port()), ("7", port));
    assert_ne!(postgres.pid(), pid);
    let file = fs::read_to_string(postgres.dir().join("data/postmaster.pid")).unwrap();
    assert_eq!(file.lines().next(), Some(postgres.pid().to_string().as_str()));
}

#[test]
fn a_kill_hits_a_backend_in_the_middle_of_its_work() {
    let postgres = Postgres::start();
    let database = postgres.main_database().clone();
    let sleeper = thread::spawn(move || database.try_psql("SELECT pg_sleep(60)"));
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'";
    eventually("it sleeps", || postgres.psql(busy) == "1");
    postgres.kill();
    assert!(sleeper.join().unwrap().is_err());
    postgres.restart();
    assert_eq!(postgres.psql(busy), "0");
}

#[test]
fn while_it_is_paused_it_answers_nothing_and_then_everything() {
    let postgres = Postgres::start();
    postgres.psql("CREATE TABLE t (n int)");
    postgres.pause();
    let (sender, receiver) = mpsc::channel();
    let database = postgres.main_database().clone();
    thread::spawn(move || sender.send(database.psql("INSERT INTO t VALUES (1) RETURNING n")));
    assert!(receiver.recv_timeout(Duration::from_millis(300)).is_err(), "nothing comes");
    postgres.resume();
    assert_eq!(receiver.recv_timeout(Duration::from_secs(10)).unwrap(), "1");
}

#[test]
fn dropped_it_leaves_nothing_even_when_it_was_paused_or_killed() {
    let servers = [Postgres::start(), Postgres::start(), Postgres::start()];
    servers[1].pause();
    servers[2].kill();
    let left: Vec<_> = servers.iter().map(|postgres| (postgres.pid(), postgres.dir().to_owned())).collect();
    assert!(is_alive(left[0].0) && is_alive(left[1].0) && left.iter().all(|(_, dir)| dir.exists()));
    drop(servers);
    for (pid, dir) in left {
        assert!(!is_alive(pid) && !dir.exists());
        assert_eq!(processes_in(&dir), [], "neither children nor the watchdog are left");
    }
}

#[test]
fn lines_of_configuration_are_heeded() {
    let postgres = Postgres::builder().config("max_connections = 10").start();
    assert_eq!(postgres.psql("SHOW max_connections"), "10");
    assert_eq!(postgres.psql("SHOW fsync"), "on");
    assert_eq!(postgres.psql("SHOW listen_addresses"), "127.0.0.1");
}

#[test]
fn each_test_has_a_database_of_its_own_in_the_shared_one() {
    let (one, other) = (Postgres::shared().fresh_database(), Postgres::shared().fresh_database());
    one.psql("CREATE TABLE t (n int)");
    other.psql("CREATE TABLE t (n int)");
    one.psql("INSERT INTO t VALUES (1)");
    assert_eq!(other.psql("SELECT count(*) FROM t"), "0");
    assert_ne!(one.url(), other.url());
}

#[test]
fn tls_with_a_certificate_that_its_authority_signed() {
    let postgres = Postgres::builder().tls().start();
    let ca = std::env::temp_dir().join(format!("idem-ca-{}.pem", std::process::id()));
    fs::write(&ca, postgres.ca_pem()).unwrap();
    let output = Command::new(require("psql"))
        .env("PGSSLMODE", "verify-full")
        .env("PGSSLROOTCERT", &ca)
        .args(["-XAtc", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &postgres.url()])
        .output()
        .unwrap();
    fs::remove_file(&ca).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "t\n", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[should_panic(expected = "no_such_setting")]
fn a_failed_start_shows_the_log() {
    Postgres::builder().config("no_such_setting = 1").start();
}
