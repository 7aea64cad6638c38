//! What happens to servers, connections and processes, by a seed.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread::sleep;
use std::time::{Duration, Instant};

use idem_store_tests::{Process, Site};
use idem_test_servers::{Mode, Proxy};

use crate::clients::{now, Orders, LEASE};
use crate::dice::Dice;
use crate::place::Server;

/// How often what happened.
pub(crate) type Counts = BTreeMap<&'static str, usize>;

/// What may happen in a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Menu {
    /// Between clients and server.
    pub(crate) network: bool,
    /// To processes of clients.
    pub(crate) processes: bool,
    /// To the server.
    pub(crate) server: Option<ToServer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToServer {
    /// All that there is.
    Everything,
    /// It is killed when half the round is over.
    OneKill,
}

/// A process of clients, and its way to the server.
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    pub(crate) site: &'a Site,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) process: Process,
    pub(crate) orders: Orders,
    /// All numbers that processes here have had.
    pub(crate) numbers: Vec<usize>,
}

impl<'a> Seat<'a> {
    pub(crate) fn take(site: &'a Site, proxy: Option<Proxy>, orders: Orders) -> Self {
        let mut process = Process::start("clients", site);
        process.order(orders.words());
        Self { site, proxy, process, numbers: vec![orders.process], orders }
    }

    /// Kills the process, and lets another take its place.
    fn replace(&mut self) {
        self.process.kill();
        self.orders.note("deaths", format!("{} {}", self.orders.process, now().as_micros()));
        self.orders.process += 10;
        self.numbers.push(self.orders.process);
        self.process = Process::start("clients", self.site);
        self.process.order(self.orders.words());
        assert_eq!(self.process.says().as_deref(), Some("ready"));
    }

    /// Lets its clients come to an end, and then ask for all keys, when all others do; says how long the slowest answer took.
    /// None if they have ended before.
    pub(crate) fn settle(&mut self, calm: &Barrier) -> Option<Duration> {
        self.process.order("stop");
        let stopped = self.process.says();
        calm.wait();
        stopped?;
        self.process.order("all");
        let slowest = self.process.says()?.parse().unwrap();
        self.process.kill();
        Some(Duration::from_millis(slowest))
    }

    /// Troubles it until the time is over, and leaves it whole.
    pub(crate) fn fault(&mut self, menu: Menu, mut dice: Dice, until: Instant) -> Counts {
        let mut counts = Counts::new();
        let network = menu.network && self.proxy.is_some();
        while (menu.processes || network) && pause(&mut dice, 30, 250, until) {
            let what = match dice.roll(12) {
                0 if menu.processes => {
                    self.replace();
                    "clients killed"
                }
                1 | 2 if menu.processes => {
                    self.process.pause();
                    sleep(LEASE + dice.millis(50, 300));
                    self.process.resume();
                    "clients stopped"
                }
                _ if network => cut(self.proxy.as_ref().unwrap(), &mut dice),
                _ => continue,
            };
            *counts.entry(what).or_default() += 1;
        }
        if let Some(proxy) = &self.proxy {
            proxy.set(Mode::Pass);
        }
        counts
    }
}

/// Waits, if there is time left.
fn pause(dice: &mut Dice, from: u64, to: u64, until: Instant) -> bool {
    let next = Instant::now() + dice.millis(from, to);
    sleep(next.min(until).saturating_duration_since(Instant::now()));
    next < until
}

/// Something between a client and its server.
fn cut(proxy: &Proxy, dice: &mut Dice) -> &'static str {
    let for_a_while = |mode, dice: &mut Dice| {
        proxy.set(mode);
        sleep(dice.millis(30, 500));
        proxy.set(Mode::Pass);
    };
    match dice.roll(6) {
        0 => {
            for_a_while(Mode::BlackHole, dice);
            "black holes"
        }
        1 => {
            for_a_while(Mode::SwallowAnswers, dice);
            "answers swallowed"
        }
        2 => {
            for_a_while(Mode::Refuse, dice);
            "connections refused"
        }
        3 => {
            proxy.reset_connections();
            "connections reset"
        }
        4 => {
            proxy.lose_next_answer();
            "answers lost"
        }
        _ => {
            proxy.lose_request("");
            "requests dropped"
        }
    }
}

/// Troubles the server until the time is over, and leaves it whole.
pub(crate) fn trouble_server(
    server: &Server,
    to: ToServer,
    mut dice: Dice,
    length: Duration,
    until: Instant,
) -> Counts {
    let mut counts = Counts::new();
    if to == ToServer::OneKill {
        sleep((until - length / 2).saturating_duration_since(Instant::now()));
        server.kill();
        server.restart();
        counts.insert("servers killed", 1);
        return counts;
    }
    while pause(&mut dice, 150, 900, until) {
        let what = match dice.roll(6) {
            0 | 1 => {
                server.kill();
                sleep(dice.millis(0, 300));
                server.restart();
                "servers killed"
            }
            2 => {
                server.pause();
                sleep(LEASE + dice.millis(0, 400));
                server.resume();
                "servers stopped"
            }
            _ => {
                server.disturb(&mut dice, &mut counts);
                continue;
            }
        };
        *counts.entry(what).or_default() += 1;
    }
    counts
}
