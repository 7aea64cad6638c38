//! The runs: each store as it is, and beside it the controls.

use std::thread;
use std::time::{Duration, Instant};

use idem_test_servers::{Postgres, Redis};

use crate::broken::Mistake;
use crate::clients::LEASE;
use crate::place::Server;
use crate::round::{Round, Tally};
use crate::trouble::{Menu, ToServer};

/// What an answer may take beyond a lease once all is well: time-outs, and a disk and a machine that are busy with other tests.
/// How long it takes is a figure.
const SLACK: Duration = Duration::from_secs(15);
/// How long a control may go unnoticed.
const LIMIT: Duration = Duration::from_secs(60);

const EVERYTHING: Menu = Menu { network: true, processes: true, server: Some(ToServer::Everything) };
const NOTHING: Menu = Menu { network: false, processes: false, server: None };
/// A file has no server.
const PROCESSES: Menu = Menu { processes: true, ..NOTHING };
const ONE_KILL: Menu = Menu { server: Some(ToServer::OneKill), ..NOTHING };

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// A store as it is: one round, or as many as there is time for.
fn honest(what: &str, server: &Server, clients: [usize; 3], menu: Menu) {
    let long = number("IDEM_FAULT_SECONDS", 0);
    let length = Duration::from_secs(if long > 0 { 20 } else { 10 });
    let first = number("IDEM_SEED", 1);
    let (began, mut tally, mut seed) = (Instant::now(), Tally::default(), first);
    while seed == first || began.elapsed() < Duration::from_secs(long) {
        let round = Round {
            server,
            mistake: Mistake::Nothing,
            menu,
            clients,
            keys: 500,
            length,
            seed,
            name: format!("{what}{seed}"),
        };
        if let Err(why) = round.run(&mut tally) {
            panic!("{what}, IDEM_SEED={seed}: {why}");
        }
        assert!(
            tally.slowest < LEASE + SLACK,
            "{what}, IDEM_SEED={seed}: after all was well a key took {:?}",
            tally.slowest
        );
        assert!(tally.checked.undecided * 50 < tally.checked.keys, "{what}: too many keys cannot be judged: {tally}");
        seed += 1;
        if long > 0 {
            println!("{what} after {:.0?}: {tally}", began.elapsed());
        }
    }
    println!("{what}, seeds {first} to {}, in {:.1?}: {tally}", seed - 1, began.elapsed());
}

/// A store that is broken: rounds until it is found out.
fn control(what: &str, server: &Server, mistake: Mistake, menu: Menu) {
    let (began, mut rounds) = (Instant::now(), 0);
    while began.elapsed() < LIMIT {
        rounds += 1;
        let round = Round {
            server,
            mistake,
            menu,
            clients: [2, 2, 8],
            keys: 60,
            length: Duration::from_millis(1500),
            seed: rounds,
            name: format!("control-{}-{mistake:?}{rounds}", what.replace(' ', "-")),
        };
        if let Err(why) = round.run(&mut Tally::default()) {
            let first = why.lines().next().unwrap_or_default();
            println!("control {what} {mistake:?}: found in round {rounds}, after {:.1?}: {first}", began.elapsed());
            return;
        }
    }
    panic!("control {what} {mistake:?}: {rounds} rounds and nothing found: this suite finds nothing");
}

/// The run beside its controls: they mostly wait.
fn beside(run: impl FnOnce() + Send, controls: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let controls = scope.spawn(controls);
        run();
        if let Err(panic) = controls.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn redis() {
    let run = || {
        // With `everysec` a server that is killed while its disk is slow forgets up to two seconds of what it acknowledged.
        let fsync = std::env::var("IDEM_FAULT_FSYNC").unwrap_or_else(|_| "always".into());
        let server = Redis::builder().config(format!("appendfsync {fsync}")).start();
        honest("redis", &Server::Redis(server), [2, 4, 8], EVERYTHING);
    };
    beside(run, || {
        let server = Server::Redis(Redis::start());
        for mistake in [Mistake::Forgets, Mistake::EndsForAnybody, Mistake::ChecksThenActs] {
            control("redis", &server, mistake, NOTHING);
        }
        let forgets = Server::Redis(Redis::builder().config("appendonly no").config("save 3600 1").start());
        control("redis without appendonly", &forgets, Mistake::Nothing, ONE_KILL);
    });
}

#[test]
fn postgres() {
    let run = || honest("postgres", &Server::Postgres(Postgres::start()), [2, 4, 8], EVERYTHING);
    beside(run, || {
        let server = Server::Postgres(Postgres::builder().config("fsync = off").start());
        for mistake in [Mistake::Forgets, Mistake::EndsForAnybody, Mistake::ChecksThenActs] {
            control("postgres", &server, mistake, NOTHING);
        }
        // By URL the store asks for it itself: so its connections are a pool's that does not.
        let hasty = Postgres::builder().config("synchronous_commit = off").config("wal_writer_delay = 10s");
        control("postgres without synchronous_commit", &Server::Postgres(hasty.start()), Mistake::Hasty, ONE_KILL);
    });
}

#[test]
fn sqlite() {
    let run = || honest("sqlite", &Server::Sqlite, [4, 2, 8], PROCESSES);
    beside(run, || {
        for mistake in [Mistake::Forgets, Mistake::EndsForAnybody] {
            control("sqlite", &Server::Sqlite, mistake, NOTHING);
        }
    });
}
