use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use idem_test_servers::{is_alive, Redis};

use crate::support::processes_in;

#[test]
fn it_keeps_its_data_and_its_port_when_it_is_killed() {
    let redis = Redis::start();
    let (pid, port) = (redis.pid(), redis.port());
    assert_eq!(redis.cli(&["SET", "k", "v"]), "OK");
    redis.kill();
    assert!(!is_alive(pid));
    assert!(redis.cli(&["PING"]).contains("refused"));
    redis.restart();
    assert_eq!((redis.cli(&["GET", "k"]).as_str(), redis.port()), ("v", port));
    assert_ne!(redis.pid(), pid);
    assert!(redis.cli(&["INFO", "server"]).contains(&format!("process_id:{}", redis.pid())));
    redis.restart();
    assert_eq!(redis.cli(&["GET", "k"]), "v", "a restart of one that runs kills it");
}

#[test]
fn while_it_is_paused_it_answers_nothing_and_then_everything() {
    let redis = Redis::start();
    let mut connection = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    redis.pause();
    connection.write_all(b"INCR n\r\n").unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut answer = [0; 4];
    assert!(connection.read(&mut answer).is_err(), "nothing comes");
    redis.resume();
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b":1\r\n");
}

#[test]
fn dropped_it_leaves_nothing_even_when_it_was_paused_or_killed() {
    let servers = [Redis::start(), Redis::start(), Redis::start()];
    servers[1].pause();
    servers[2].kill();
    let left: Vec<_> = servers.iter().map(|redis| (redis.pid(), redis.dir().to_owned())).collect();
    assert!(is_alive(left[0].0) && is_alive(left[1].0) && left.iter().all(|(_, dir)| dir.exists()));
    drop(servers);
    for (pid, dir) in left {
        assert!(!is_alive(pid) && !dir.exists());
        assert_eq!(processes_in(&dir), [], "the watchdog ends, too");
    }
}

#[test]
fn lines_of_configuration_are_heeded() {
    let redis = Redis::builder().config("maxmemory-policy allkeys-lru").config("maxmemory 10mb").start();
    assert_eq!(redis.cli(&["CONFIG", "GET", "maxmemory-policy"]), "maxmemory-policy\nallkeys-lru");
    assert_eq!(redis.cli(&["CONFIG", "GET", "maxmemory"]), "maxmemory\n10485760");
}

#[test]
fn passwords_and_users() {
    let redis = Redis::builder().password("geheim").user("app", "on >secret ~app:* +@all").start();
    assert_eq!(redis.cli(&["SET", "k", "v"]), "OK");
    let as_app = |key| redis.cli(&["-u", &redis.url_as("app", "secret"), "SET", key, "v"]);
    assert!(as_app("app:k").contains("OK"));
    assert!(as_app("k").contains("NOPERM"));
    assert!(redis.cli(&["-u", &redis.url(), "PING"]).contains("PONG"));
    assert!(redis.cli(&["-u", &redis.url_as("app", "wrong"), "PING"]).contains("WRONGPASS"));
}

#[test]
fn tls_with_a_certificate_that_its_authority_signed() {
    let redis = Redis::builder().tls().start();
    assert!(redis.url().starts_with("rediss://127.0.0.1:"));
    assert!(redis.ca_pem().contains("BEGIN CERTIFICATE"));
    assert_eq!(redis.cli(&["SET", "k", "v"]), "OK");
    let mut plain = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    plain.write_all(b"PING\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"+PONG"));
    redis.restart();
    assert_eq!(redis.cli(&["GET", "k"]), "v");
}

#[test]
#[should_panic(expected = "Bad directive")]
fn a_failed_start_shows_the_log() {
    Redis::builder().config("no-such-directive 1").start();
}

#[test]
fn the_shared_one_is_one() {
    assert_eq!(Redis::shared().pid(), Redis::shared().pid());
    assert_eq!(Redis::shared().cli(&["PING"]), "PONG");
}
