use std::io::Write;
use std::process::{Command, Stdio};

use idem_test_servers::{is_alive, require, PgBouncer, Postgres};

use crate::support::eventually;

#[test]
fn it_pools_by_transaction() {
    let postgres = Postgres::start();
    let bouncer = PgBouncer::builder(&postgres).config("default_pool_size = 1").start();
    assert_ne!(bouncer.port(), postgres.port());
    // One that has connected and sits there does not keep the only connection, nor what is set on it.
    let mut idle = Command::new(require("psql")).args(["-XAtq", &bouncer.url()]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = idle.stdin.take().unwrap();
    writeln!(input, "SET application_name = 'idle';").unwrap();
    let there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'idle'";
    eventually("it has connected", || postgres.psql(there) == "1");
    let database = bouncer.database(&postgres.fresh_database());
    assert_eq!(database.psql("SELECT current_database()"), database.name());
    let pid = |url: &str| {
        let output = Command::new(require("psql")).args(["-XAtc", "SELECT pg_backend_pid()", url]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_ne!(pid(&bouncer.url()), "", "the only connection is free");
    assert_eq!(pid(&bouncer.url()), pid(&bouncer.url()), "and is used by all");
    assert!(idle.try_wait().unwrap().is_none(), "it sits there still");
    drop(input);
    assert!(idle.wait().unwrap().success());
}

#[test]
fn it_is_killed_and_starts_again_and_its_server_does_too() {
    let postgres = Postgres::start();
    let bouncer = PgBouncer::start(&postgres);
    let database = bouncer.database(postgres.main_database());
    let (pid, port) = (bouncer.pid(), bouncer.port());
    assert_eq!(database.psql("SELECT 1"), "1");
    bouncer.kill();
    assert!(!is_alive(pid));
    assert!(database.try_psql("SELECT 1").unwrap_err().contains("refused"));
    bouncer.restart();
    assert_eq!((database.psql("SELECT 1").as_str(), bouncer.port()), ("1", port));
    postgres.restart();
    eventually("it has connected again", || database.try_psql("SELECT 1").is_ok());
    bouncer.pause();
    let pid = bouncer.pid();
    drop(bouncer);
    assert!(!is_alive(pid));
}
