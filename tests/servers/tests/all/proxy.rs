use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use idem_test_servers::{Mode, Proxy};

use crate::support::eventually;

/// Answers each byte with the same, and remembers them; also that a connection has ended, as `.`.
struct Echo {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Echo {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, heard) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
        let all = heard.clone();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let heard = all.clone();
                thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read(&mut byte).is_ok_and(|count| count == 1) {
                        heard.lock().unwrap().push(byte[0]);
                        if stream.write_all(&byte).is_err() {
                            break;
                        }
                    }
                    heard.lock().unwrap().push(b'.');
                });
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> String {
        String::from_utf8(self.heard.lock().unwrap().clone()).unwrap()
    }

    fn hears(&self, what: &str) {
        eventually(what, || self.heard() == what);
    }
}

struct Client(TcpStream);

impl Client {
    fn of(proxy: &Proxy) -> Self {
        Self(TcpStream::connect(("127.0.0.1", proxy.port())).unwrap())
    }

    fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    fn receives(&mut self, text: &str) {
        self.0.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut bytes = vec![0; text.len()];
        self.0.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, text.as_bytes());
    }

    fn receives_nothing(&mut self) {
        self.receives_nothing_for(Duration::from_millis(150));
    }

    fn receives_nothing_for(&mut self, time: Duration) {
        let kind = self.error_within(time);
        assert!(matches!(kind, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{kind:?}");
    }

    fn is_reset(&mut self) {
        assert_eq!(self.error_within(Duration::from_secs(20)), Some(ErrorKind::ConnectionReset));
    }

    fn error_within(&mut self, limit: Duration) -> Option<ErrorKind> {
        self.0.set_read_timeout(Some(limit)).unwrap();
        loop {
            match self.0.read(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other.err().map(|error| error.kind()),
            }
        }
    }
}

#[test]
fn it_passes_and_counts() {
    let echo = Echo::start();
    let proxy = Proxy::start(echo.port);
    let (mut one, mut other) = (Client::of(&proxy), Client::of(&proxy));
    one.send("ab");
    one.receives("ab");
    other.send("c");
    other.receives("c");
    assert_eq!((proxy.accepted(), proxy.open()), (2, 2));
    drop(one);
    echo.hears("abc.");
    eventually("it is closed", || proxy.open() == 1);
    assert_eq!(proxy.accepted(), 2);
    assert_eq!(
        proxy.url(&format!("redis://127.0.0.1:{}/0", echo.port)),
        format!("redis://127.0.0.1:{}/0", proxy.port())
    );
}

#[test]
fn a_black_hole_swallows_both_directions_and_ends() {
    let echo = Echo::start();
    let proxy = Proxy::start(echo.port);
    let (mut old, mut quiet, mut gone) = (Client::of(&proxy), Client::of(&proxy), Client::of(&proxy));
    for client in [&mut old, &mut quiet, &mut gone] {
        client.send("a");
        client.receives("a");
    }
    proxy.set(Mode::BlackHole);
    old.send("b");
    drop(gone);
    let mut new = Client::of(&proxy);
    new.send("c");
    old.receives_nothing();
    new.receives_nothing();
    assert_eq!(echo.heard(), "aaa", "neither bytes nor an end");
    proxy.set(Mode::Pass);
    old.is_reset();
    new.is_reset();
    echo.hears("aaa..");
    quiet.send("d");
    quiet.receives("d");
}

#[test]
fn answers_are_swallowed_and_requests_are_not() {
    let echo = Echo::start();
    let proxy = Proxy::start(echo.port);
    let mut client = Client::of(&proxy);
    proxy.set(Mode::SwallowAnswers);
    client.send("a");
    echo.hears("a");
    client.receives_nothing();
    proxy.set(Mode::Pass);
    client.is_reset();
    let mut client = Client::of(&proxy);
    client.send("b");
    client.receives("b");
}

#[test]
fn what_comes_next_does_not_get_the_answer_to_what_was_swallowed() {
    let echo = Echo::start();
    let proxy = Proxy::start(echo.port);
    for _ in 0..100 {
        let mut client = Client::of(&proxy);
        client.send("a");
        client.receives("a");
        proxy.set(Mode::BlackHole);
        client.send("b");
        client.receives_nothing_for(Duration::from_millis(2));
        thread::scope(|scope| {
            scope.spawn(|| proxy.set(Mode::Pass));
            // It is reset, sooner or later.
            while client.0.write_all(b"c").is_ok() {}
        });
        let mut answer = [0];
        assert!(!client.0.read(&mut answer).is_ok_and(|count| count == 1), "an answer that is none");
    }
}

#[test]
fn refusing_it_has_no_listener_and_then_it_has() {
    let echo = Echo::start();
    let proxy = Proxy::start(echo.port);
    let mut client = Client::of(&proxy);
    client.send("a");
    client.receives("a");
    for _ in 0..20 {
        proxy.set(Mode::Refuse);
        let error = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        proxy.set(Mode::Pass);
    }
    client.is_reset();
    assert_eq!(proxy.accepted(), 1);
    let mut client = Client::of(&proxy);
    client.send("b");
    client.receives("b");
    let port = proxy.port();
    drop(proxy);
    client.is_reset();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn connections_are_reset() {
    let echo = Echo::start();
    let proxy = Proxy::start(echo.port);
    let mut client = Client::of(&proxy);
    client.send("a");
    client.receives("a");
    proxy.reset_connections();
    assert_eq!(proxy.open(), 0);
    client.is_reset();
    echo.hears("a.");
}

#[test]
fn an_answer_is_lost_once_and_the_request_was_heard() {
    let echo = Echo::start();
    let proxy = Proxy::start(echo.port);
    let (mut one, mut other) = (Client::of(&proxy), Client::of(&proxy));
    proxy.lose_next_answer();
    one.send("a");
    one.is_reset();
    assert!(echo.heard().starts_with('a') && !proxy.is_armed());
    proxy.lose_answer_to("COMMIT");
    other.send("b");
    other.receives("b");
    assert!(proxy.is_armed());
    other.send("COMMIT");
    other.is_reset();
    eventually("the request arrives", || echo.heard().contains('C'));
    let mut third = Client::of(&proxy);
    third.send("d");
    third.receives("d");
}

#[test]
fn a_request_is_lost_once() {
    let echo = Echo::start();
    let proxy = Proxy::start(echo.port);
    let mut client = Client::of(&proxy);
    proxy.lose_request("b");
    client.send("a");
    client.receives("a");
    client.send("b");
    client.is_reset();
    echo.hears("a.");
    let mut client = Client::of(&proxy);
    client.send("b");
    client.receives("b");
}

#[test]
fn before_a_server_that_is_down_connections_are_reset() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let proxy = Proxy::start(port);
    Client::of(&proxy).is_reset();
    assert_eq!((proxy.accepted(), proxy.open()), (1, 0));
}
