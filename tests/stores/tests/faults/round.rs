//! One round: clients at work for a while, trouble meanwhile, and what can be said of it afterwards.

use std::fmt;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use idem_store_tests::{Place, Site};
use idem_testing::{Checked, History};

use crate::audit::{audit, Audited};
use crate::broken::Mistake;
use crate::clients::{now, Orders};
use crate::dice::Dice;
use crate::place::Server;
use crate::trouble::{trouble_server, Counts, Menu, Seat};

/// How far the store's clock and the history's are apart: all run on one host. A server may take the time before it reads what
/// has just come.
const SKEW: Duration = Duration::from_millis(1);
/// What a round is like.
#[derive(Debug)]
pub(crate) struct Round<'a> {
    pub(crate) server: &'a Server,
    pub(crate) mistake: Mistake,
    pub(crate) menu: Menu,
    /// The processes, the clients of each, and what each does at once.
    pub(crate) clients: [usize; 3],
    /// Of each kind.
    pub(crate) keys: u64,
    pub(crate) length: Duration,
    pub(crate) seed: u64,
    /// A name that no other round on this server has.
    pub(crate) name: String,
}

/// What rounds came to, all in all.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) histories: usize,
    pub(crate) checked: Checked,
    audited: Audited,
    faults: Counts,
    /// The slowest answer once all was well.
    pub(crate) slowest: Duration,
    checking: Duration,
}

impl Round<'_> {
    /// What is wrong, in an error. What was noted stays where the error says, if this is no control.
    pub(crate) fn run(&self, tally: &mut Tally) -> Result<(), String> {
        let site = Place::Sqlite.site();
        let dir = site.effects().parent().unwrap().to_owned();
        let found = self.at(&site, &dir, tally);
        found.map_err(|why| {
            if self.name.starts_with("control") {
                return why;
            }
            std::mem::forget(site);
            format!("{why}\n(all that was noted is in {})", dir.display())
        })
    }

    fn at(&self, site: &Site, dir: &Path, tally: &mut Tally) -> Result<(), String> {
        let mut seats = self.seats(site, dir);
        for seat in &mut seats {
            assert_eq!(seat.process.says().as_deref(), Some("ready"));
        }
        let until = Instant::now() + self.length;
        let calm = Barrier::new(seats.len() + usize::from(self.menu.server.is_some()));
        let ends = thread::scope(|scope| {
            let calm = &calm;
            // A process that a thread starts ends with it: so a thread goes on for as long as its processes are to.
            let seats = seats.iter_mut().enumerate().map(|(at, seat)| {
                let dice = Dice::of(self.seed * 100 + at as u64);
                scope.spawn(move || {
                    let counts = seat.fault(self.menu, dice, until);
                    thread::sleep(until.saturating_duration_since(Instant::now()));
                    calm.wait();
                    let slowest = seat.settle(calm);
                    (counts, slowest)
                })
            });
            let mut threads: Vec<_> = seats.collect();
            if let Some(to) = self.menu.server {
                let dice = Dice::of(self.seed * 100 + 99);
                threads.push(scope.spawn(move || {
                    let counts = trouble_server(self.server, to, dice, self.length, until);
                    calm.wait();
                    calm.wait();
                    (counts, Some(Duration::ZERO))
                }));
            }
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        for (counts, slowest) in ends {
            tally.slowest = tally.slowest.max(slowest.expect("no process ends by itself"));
            for (what, count) in counts {
                *tally.faults.entry(what).or_default() += count;
            }
        }
        let files: Vec<_> = seats
            .iter()
            .flat_map(|seat| {
                seat.numbers.iter().map(|process| Orders { process: *process, ..seat.orders.clone() }.history())
            })
            .collect();
        drop(seats);
        let history = History::read(&files).unwrap();
        let began = Instant::now();
        let checked = history.check(SKEW).map_err(|contradiction| contradiction.to_string())?;
        tally.checking += began.elapsed();
        tally.histories += 1;
        tally.checked.keys += checked.keys;
        tally.checked.answered += checked.answered;
        tally.checked.unknown += checked.unknown;
        tally.checked.undecided += checked.undecided;
        tally.audited.add(audit(dir, &files)?);
        Ok(())
    }

    fn seats<'s>(&self, site: &'s Site, dir: &Path) -> Vec<Seat<'s>> {
        let [processes, clients, tasks] = self.clients;
        let began = now();
        let orders = |process| {
            let proxy = self.server.proxy();
            let orders = Orders {
                mistake: self.mistake,
                seed: self.seed,
                process,
                clients,
                tasks,
                keys: self.keys,
                length: self.length,
                began,
                round: self.name.clone(),
                dir: dir.to_owned(),
                at: self.server.at(proxy.as_ref(), &self.name, dir),
            };
            Seat::take(site, proxy, orders)
        };
        (0..processes).map(orders).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { histories, checked, audited, faults, slowest, checking } = self;
        let faults: Vec<_> = faults.iter().map(|(what, count)| format!("{count} {what}")).collect();
        let Checked { keys, answered, unknown, undecided, .. } = checked;
        write!(
            f,
            "{histories} histories of {answered} answered and {unknown} unanswered verbs on {keys} keys ({undecided} undecided; \
             checked in {checking:.1?}); {audited}; {}; slowest answer afterwards {slowest:?}",
            faults.join(", ")
        )
    }
}
