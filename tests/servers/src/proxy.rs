//! A TCP proxy that loses what goes through it.

use std::io::{ErrorKind, Read, Write};
use std::mem;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

use crate::ports;
use crate::process::{holds_within, wait_until};

/// A TCP proxy on a free loopback port. It starts in [`Mode::Pass`]; dropping it resets all connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

/// What a [`Proxy`] does with what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Forwards everything. If the server refuses a connection, the client's is reset.
    Pass,
    /// Accepts connections and swallows everything in both directions, the ends of connections, too: the server does not
    /// learn that a client has gone.
    BlackHole,
    /// Forwards requests and swallows their answers.
    SwallowAnswers,
    /// Resets what is connected, and closes the listener.
    Refuse,
}

#[derive(Debug)]
struct Shared {
    target: u16,
    accepted: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    armed: Option<(Loss, Vec<u8>)>,
    connections: Vec<Weak<Connection>>,
}

/// What is lost once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    Request,
    Answer,
}

/// Closed when both its pumps have ended.
#[derive(Debug)]
struct Connection {
    client: TcpStream,
    /// A black hole has none.
    server: Option<TcpStream>,
    /// Bytes were swallowed: it must not go on as if there had been none.
    holed: AtomicBool,
    /// It is reset at the server's next answer.
    doomed: AtomicBool,
    cut: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Requests,
    Answers,
}

enum Verdict {
    Forward,
    Swallow,
    Cut,
}

impl Proxy {
    /// Starts one before a port of 127.0.0.1.
    pub fn start(target_port: u16) -> Self {
        let state = Mutex::new(State { mode: Mode::Pass, armed: None, connections: Vec::new() });
        let shared = Arc::new(Shared { target: target_port, accepted: AtomicUsize::new(0), state });
        let (port, listener) = (0..5)
            .find_map(|_| {
                let port = ports::free();
                Some((port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?))
            })
            .expect("a free port");
        let proxy = Self { port, shared, acceptor: Mutex::new(None) };
        proxy.accept(listener);
        proxy
    }

    /// Its port, the same in all modes.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A server's URL, by way of the proxy.
    pub fn url(&self, url: &str) -> String {
        url.replace(&format!("127.0.0.1:{}", self.shared.target), &format!("127.0.0.1:{}", self.port))
    }

    /// Switches the mode, for connections that are open, too. One of which something was swallowed is reset when the mode
    /// changes, except to [`Mode::BlackHole`]: else the next request would get the answer to another.
    pub fn set(&self, mode: Mode) {
        let mut acceptor = self.acceptor.lock().unwrap_or_else(PoisonError::into_inner);
        let before = mem::replace(&mut self.shared.lock().mode, mode);
        if mode == before {
            return;
        }
        if mode == Mode::Refuse {
            // One more connection wakes the thread that accepts.
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
            let _ = acceptor.take().expect("it listened").join();
            self.reset_connections();
            return;
        }
        if mode != Mode::BlackHole {
            self.shared.cut(|connection| connection.holed.load(Ordering::SeqCst));
        }
        drop(acceptor);
        if before == Mode::Refuse {
            let mut listener = None;
            wait_until("the port is free again", || {
                listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).ok();
                listener.is_some()
            });
            self.accept(listener.expect("waited for"));
        }
    }

    /// Resets all connections. Clients see a reset, the server sees an end.
    pub fn reset_connections(&self) {
        self.shared.cut(|_| true);
    }

    /// The lost answer: the next thing that a client sends reaches the server; when the server answers, that connection is
    /// reset. What was asked for has then been done. Once.
    pub fn lose_next_answer(&self) {
        self.lose_answer_to("");
    }

    /// As [`lose_next_answer`](Self::lose_next_answer), of the first request that contains this text, such as `COMMIT`. It
    /// is looked for in what one read returns.
    pub fn lose_answer_to(&self, text: &str) {
        self.shared.lock().armed = Some((Loss::Answer, text.into()));
    }

    /// The lost request: the first that contains this text does not reach the server, and its connection is reset. Once.
    pub fn lose_request(&self, text: &str) {
        self.shared.lock().armed = Some((Loss::Request, text.into()));
    }

    /// Whether what shall be lost has not come yet.
    pub fn is_armed(&self) -> bool {
        self.shared.lock().armed.is_some()
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.shared.connections().len()
    }

    fn accept(&self, listener: TcpListener) {
        let shared = self.shared.clone();
        let thread = thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if !shared.take(client) {
                    return;
                }
            }
        });
        *self.acceptor.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Mode::Refuse);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> Vec<Arc<Connection>> {
        self.lock().connections.iter().filter_map(Weak::upgrade).collect()
    }

    /// A new connection; false when the listener shall close.
    fn take(self: &Arc<Self>, client: TcpStream) -> bool {
        let mode = self.lock().mode;
        if mode != Mode::Refuse {
            self.accepted.fetch_add(1, Ordering::SeqCst);
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.target));
        let server = match mode {
            Mode::Pass | Mode::SwallowAnswers => TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok(),
            Mode::BlackHole | Mode::Refuse => None,
        };
        if server.is_none() && mode != Mode::BlackHole {
            reset_when_closed(&client);
            return mode != Mode::Refuse;
        }
        for stream in [Some(&client), server.as_ref()].into_iter().flatten() {
            let _ = stream.set_nodelay(true);
            let _ = stream.set_write_timeout(Some(Duration::from_secs(30))); // no thread hangs for ever
        }
        let connection = Arc::new(Connection {
            client,
            holed: server.is_none().into(),
            server,
            doomed: false.into(),
            cut: false.into(),
        });
        let mut state = self.lock();
        state.connections.retain(|connection| connection.strong_count() > 0);
        state.connections.push(Arc::downgrade(&connection));
        // The mode may have changed meanwhile, without knowing of this one.
        let lost = state.mode == Mode::Refuse || connection.server.is_none() && state.mode != Mode::BlackHole;
        drop(state);
        if lost {
            connection.cut();
        }
        for direction in [Direction::Requests, Direction::Answers] {
            let (shared, connection) = (self.clone(), connection.clone());
            thread::spawn(move || shared.pump(&connection, direction));
        }
        true
    }

    /// Carries bytes in one direction until there are no more.
    fn pump(&self, connection: &Connection, direction: Direction) {
        let (from, to) = match direction {
            Direction::Requests => (Some(&connection.client), connection.server.as_ref()),
            Direction::Answers => (connection.server.as_ref(), Some(&connection.client)),
        };
        let Some(mut from) = from else { return };
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let count = match from.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => 0, // a reset arrives as an end
            };
            if connection.cut.load(Ordering::SeqCst) {
                return;
            }
            match (self.judge(connection, direction, &buffer[..count]), to) {
                (Verdict::Forward, Some(mut to)) => {
                    if count == 0 {
                        let _ = to.shutdown(Shutdown::Write);
                    } else if to.write_all(&buffer[..count]).is_err() {
                        connection.cut();
                    }
                }
                (Verdict::Cut, _) => connection.cut(),
                _ => {}
            }
            if count == 0 || connection.cut.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    fn judge(&self, connection: &Connection, direction: Direction, bytes: &[u8]) -> Verdict {
        let mut state = self.lock();
        if direction == Direction::Answers && connection.doomed.load(Ordering::SeqCst) {
            return Verdict::Cut;
        }
        let swallows = match state.mode {
            Mode::Pass | Mode::Refuse => false,
            Mode::BlackHole => true,
            Mode::SwallowAnswers => direction == Direction::Answers,
        };
        if swallows || connection.server.is_none() {
            connection.holed.store(true, Ordering::SeqCst);
            return Verdict::Swallow;
        }
        // The mode has changed a moment ago, and it is about to be cut: what comes now must not get the answer to what was lost.
        if connection.holed.load(Ordering::SeqCst) {
            return Verdict::Cut;
        }
        if direction == Direction::Requests && !bytes.is_empty() {
            match state.armed.take() {
                Some((Loss::Request, text)) if contains(bytes, &text) => return Verdict::Cut,
                Some((Loss::Answer, text)) if contains(bytes, &text) => connection.doomed.store(true, Ordering::SeqCst),
                other => state.armed = other,
            }
        }
        Verdict::Forward
    }

    /// Cuts some connections, and waits for their ends.
    fn cut(&self, which: impl Fn(&Connection) -> bool) {
        let cut: Vec<Weak<Connection>> = {
            let connections = self.connections();
            let chosen = connections.iter().filter(|connection| which(connection));
            chosen.inspect(|connection| connection.cut()).map(Arc::downgrade).collect()
        };
        holds_within(Duration::from_secs(2), || cut.iter().all(|connection| connection.strong_count() == 0));
    }
}

impl Connection {
    /// Ends both pumps, whereupon it is closed.
    fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        reset_when_closed(&self.client);
        // Only of reading: an end of writing would tell the client of an orderly end before the reset.
        let _ = self.client.shutdown(Shutdown::Read);
        if let Some(server) = &self.server {
            // No reset: that would make the server throw away a request that it has not read yet.
            let _ = server.shutdown(Shutdown::Both);
        }
    }
}

fn reset_when_closed(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text)
}
