//! What is known of deliveries and events. Whatever is wrong with one is said at once, by its line.

use std::collections::HashMap;
use std::fmt::Display;
use std::time::Duration;

use idem::Kind;

use crate::complain::{complain, with_causes};
use crate::events::Delivery;
use crate::handler::{Answer, CreditError};

/// Counts, and what became of each event.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) source: String,
    pub(crate) deliveries: u64,
    pub(crate) bad_lines: u64,
    pub(crate) replayed: u64,
    pub(crate) reused: u64,
    /// The source ended before its end, so there may be more events than are known.
    pub(crate) broke_off: bool,
    pub(crate) events: HashMap<String, Known>,
}

/// What is known of an event.
#[derive(Debug)]
pub(crate) struct Known {
    /// Where it was read first.
    pub(crate) line: u64,
    pub(crate) fate: Fate,
    /// It was handled in this process, and not in one before it.
    pub(crate) here: bool,
}

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing yet, and why.
    Open(String),
    Handled {
        cents: u64,
    },
    /// It was set aside.
    Poison,
}

impl Tally {
    pub(crate) fn new(source: String) -> Self {
        let events = HashMap::new();
        Self { source, deliveries: 0, bad_lines: 0, replayed: 0, reused: 0, broke_off: false, events }
    }

    /// A delivery was read.
    pub(crate) fn delivered(&mut self, delivery: &Delivery) {
        self.deliveries += 1;
        let fate = Fate::Open("it was not begun".into());
        self.events.entry(delivery.event.id.clone()).or_insert(Known { line: delivery.line, fate, here: false });
    }

    /// A line was read that is no delivery.
    pub(crate) fn bad_line(&mut self, line: u64, why: &str) {
        self.bad_lines += 1;
        complain(format_args!("{}: line {line}: {why}; skipped", self.source));
    }

    /// The source ended before its end.
    pub(crate) fn broke_off(&mut self, why: &impl Display) {
        self.broke_off = true;
        complain(format_args!("{}: it broke off: {why}", self.source));
    }

    /// A delivery was given to the handler.
    pub(crate) fn begun(&mut self, delivery: &Delivery) {
        self.settle(&delivery.event.id, Fate::Open("it had not ended".into()));
    }

    /// A delivery was answered; says when it is to be tried again, if it is.
    pub(crate) fn answered(
        &mut self,
        delivery: &mut Delivery,
        (answer, kind): Answer,
        attempts: u32,
    ) -> Option<Duration> {
        let replayed = kind.is_some_and(Kind::is_replayed);
        self.replayed += u64::from(replayed);
        let error = match answer {
            Ok(credit) => {
                self.settle(&delivery.event.id, Fate::Handled { cents: credit.cents });
                if let Some(known) = self.events.get_mut(&delivery.event.id) {
                    known.here |= !replayed;
                }
                return None;
            }
            Err(error) => error,
        };
        let why = with_causes(&error);
        match error {
            CreditError::Poison { .. } => {
                if self.settle(&delivery.event.id, Fate::Poison) {
                    self.complain(delivery, why);
                }
                return None;
            }
            CreditError::Closed { .. } => {
                delivery.failed += 1;
                // Events that take turns under one id make each other's attempts begin anew.
                if delivery.failed >= attempts {
                    self.complain(delivery, format_args!("{why}; given up after {attempts} attempts of this delivery"));
                    self.settle(&delivery.event.id, Fate::Open(why));
                    return None;
                }
            }
            CreditError::Idempotency(idem::Error::KeyReused { .. }) => {
                self.reused += 1;
                self.complain(delivery, format_args!("{why}; not applied"));
            }
            CreditError::Idempotency(_) | CreditError::Ledger(_) => self.complain(delivery, &why),
        }
        self.settle(&delivery.event.id, Fate::Open(why));
        error.retry_after()
    }

    /// Takes down what became of an event, and says whether that is news. What is known for sure stays.
    fn settle(&mut self, id: &str, fate: Fate) -> bool {
        match self.events.get_mut(id) {
            Some(known) if matches!(known.fate, Fate::Open(_)) => {
                known.fate = fate;
                true
            }
            _ => false,
        }
    }

    fn complain(&self, delivery: &Delivery, what: impl Display) {
        complain(format_args!("{}: line {}: event {:?}: {what}", self.source, delivery.line, delivery.event.id));
    }
}
