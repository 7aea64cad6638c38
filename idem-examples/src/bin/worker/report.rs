//! What it came to.

use std::fmt;

use crate::complain::complain;
use crate::handler::Handler;
use crate::ledger::Ledger;
use crate::tally::{Fate, Tally};

#[derive(Debug)]
pub(crate) struct Report {
    tally: Tally,
    bodies: u64,
    handled: usize,
    poison: usize,
    /// What the ledger should say, by the answers.
    credited: u128,
    /// What it does say.
    ledger: u128,
    not_handled: Vec<(u64, String)>,
    credited_twice: Vec<(u64, String)>,
}

impl Report {
    pub(crate) fn new(tally: Tally, handler: &Handler, ledger: &Ledger) -> Self {
        let (mut handled, mut poison, mut credited) = (0, 0, 0);
        let (mut not_handled, mut credited_twice) = (Vec::new(), Vec::new());
        for (id, known) in &tally.events {
            match &known.fate {
                Fate::Handled { cents } => {
                    handled += 1;
                    credited += if known.here { u128::from(*cents) } else { 0 };
                }
                Fate::Poison => poison += 1,
                Fate::Open(why) => not_handled.push((known.line, format!("event {id:?} was not handled: {why}"))),
            }
            if ledger.times(id) > 1 {
                credited_twice.push((known.line, format!("event {id:?} was credited {} times", ledger.times(id))));
            }
        }
        let (bodies, ledger) = (handler.bodies(), ledger.cents());
        Self { tally, bodies, handled, poison, credited, ledger, not_handled, credited_twice }
    }

    /// Names what went wrong, by its line.
    pub(crate) fn complain(&self) {
        let mut wrong: Vec<_> = self.not_handled.iter().chain(&self.credited_twice).collect();
        wrong.sort();
        for (line, what) in wrong {
            complain(format_args!("{}: line {line}: {what}", self.tally.source));
        }
    }

    pub(crate) fn every_event_was_handled_once(&self) -> bool {
        let nothing_wrong = self.not_handled.is_empty() && self.credited_twice.is_empty();
        nothing_wrong && self.credited == self.ledger && !self.tally.broke_off
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let money = |cents: u128| format!("{}.{:02}", cents / 100, cents % 100);
        for (name, value) in [
            ("deliveries", self.tally.deliveries.to_string()),
            ("bad lines", self.tally.bad_lines.to_string()),
            ("events", self.tally.events.len().to_string()),
            ("handled", self.handled.to_string()),
            ("poison", self.poison.to_string()),
            ("not handled", self.not_handled.len().to_string()),
            ("replayed", self.tally.replayed.to_string()),
            ("key reused", self.tally.reused.to_string()),
            ("bodies run", self.bodies.to_string()),
            ("credited", money(self.credited)),
            ("ledger", money(self.ledger)),
            ("credited twice", self.credited_twice.len().to_string()),
        ] {
            writeln!(f, "{name:<14}{value:>12}")?;
        }
        f.write_str(match self.every_event_was_handled_once() {
            true => "every event was handled once or set aside",
            false => "NOT every event was handled once or set aside",
        })
    }
}
