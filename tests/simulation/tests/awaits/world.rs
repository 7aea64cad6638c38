//! A world: a way through the engine, what happens on it, and who else comes. Its name says all of it.

use std::fmt;
use std::time::Duration;

use crate::path::{self, Path, LEASE, TIMEOUT};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) path: Path,
    pub(crate) whats: Vec<What>,
    pub(crate) second: Option<Second>,
    /// What becomes of a request that its sender was gone from before it was applied.
    pub(crate) wire: Wire,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// The first call's future is dropped after so many polls.
    Drop(usize),
    /// The first process is gone after so many polls of its tasks: nothing of it runs any more.
    Crash(usize),
    /// It is stopped for a while after so many polls.
    Stop(usize, Nap),
    /// The first call's body panics at this point of its own.
    Panic(usize),
    /// The first call's `reconcile` does.
    AskPanic(usize),
    /// Something happens to a verb, counted over all processes.
    Verb(usize, Fate),
    /// From this verb on the store is not there, for more than a lease.
    Outage(usize, Fate),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nap {
    /// A little longer than a lease.
    Short,
    Long,
}

/// What becomes of a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is applied, and the answer is lost.
    Lost,
    NotApplied,
    Refused,
    /// It is applied, and the answer comes when nobody waits for it.
    Slow,
    /// It is applied later, when nobody waits for it.
    Late,
    /// It never arrives, and nothing comes back.
    Silent,
    /// The store panics, and has not applied it.
    Panics,
    /// The store panics, and has.
    PanicsLate,
    /// The connection breaks, and it is applied all the same, later.
    Strays,
    /// It arrives a second time, later.
    Twice,
    /// It arrives a second time when its run is long over.
    TwiceLate,
}

impl Fate {
    pub(crate) const ALL: [Self; 11] = [
        Self::Lost,
        Self::NotApplied,
        Self::Refused,
        Self::Slow,
        Self::Late,
        Self::Silent,
        Self::Panics,
        Self::PanicsLate,
        Self::Strays,
        Self::Twice,
        Self::TwiceLate,
    ];

    /// Whether it may be applied when its sender has gone on to something else.
    pub(crate) const fn comes_again(self) -> bool {
        matches!(self, Self::Strays | Self::Twice | Self::TwiceLate)
    }

    /// Whether whoever sent it waits in vain, or is told not to ask again.
    pub(crate) const fn is_grave(self) -> bool {
        matches!(self, Self::Refused | Self::Slow | Self::Late | Self::Silent)
    }
}

impl Nap {
    pub(crate) fn time(self) -> Duration {
        match self {
            Self::Short => LEASE + Duration::from_millis(30),
            Self::Long => LEASE * 3,
        }
    }
}

/// How long an outage lasts.
pub(crate) const OUTAGE: Duration = Duration::from_millis(450);
/// When a late verb is applied, after it was sent.
pub(crate) const LATE: Duration = Duration::from_millis(130);
/// When a request is applied whose sender is gone, if it comes late.
pub(crate) const STRAY: Duration = Duration::from_millis(50);
/// When a doubled verb arrives again, if that is late.
pub(crate) const AGAIN: Duration = Duration::from_millis(500);
/// When the answer to a slow verb comes.
pub(crate) const SLOW: Duration = TIMEOUT.saturating_add(Duration::from_millis(40));

/// Another call for the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Second {
    /// It comes after so many polls of all tasks.
    pub(crate) at: usize,
    /// Whether in the first call's process.
    pub(crate) here: bool,
    pub(crate) waits: bool,
    /// Whether it is another request, with the same key.
    pub(crate) other: bool,
    /// It is dropped after so many polls.
    pub(crate) drop: Option<usize>,
    /// Its body fails, and had no effect.
    pub(crate) fails: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// It is lost.
    Lost,
    /// It arrives at once.
    Arrives,
    /// It arrives later.
    Strays,
}

impl World {
    pub(crate) const fn of(path: Path) -> Self {
        Self { path, whats: Vec::new(), second: None, wire: Wire::Lost }
    }

    pub(crate) fn with(&self, what: What) -> Self {
        let mut world = self.clone();
        world.whats.push(what);
        world
    }

    pub(crate) fn and(&self, second: Second) -> Self {
        Self { second: Some(second), ..self.clone() }
    }

    /// The world of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut parts = name.split('/');
        let path = parts.next()?;
        let mut world = Self::of(path::all().into_iter().find(|all| all.to_string() == path)?);
        for part in parts {
            match part.split('-').collect::<Vec<_>>()[..] {
                ["wire", wire] => {
                    world.wire =
                        *[Wire::Lost, Wire::Arrives, Wire::Strays].iter().find(|all| format!("{all:?}") == wire)?;
                }
                ["second", at, here, waits, other, drop] => {
                    world.second = Some(Second {
                        at: at.parse().ok()?,
                        here: here == "here",
                        waits: waits == "waits",
                        other: other == "other",
                        drop: drop.parse().ok(),
                        fails: drop == "fails",
                    });
                }
                [what, at, ref how @ ..] => {
                    world.whats.push(What::named(what, at.parse().ok()?, how.first().copied())?)
                }
                _ => return None,
            }
        }
        Some(world)
    }
}

impl What {
    fn named(what: &str, at: usize, how: Option<&str>) -> Option<Self> {
        let fate = || Fate::ALL.into_iter().find(|fate| Some(&*format!("{fate:?}")) == how);
        Some(match what {
            "drop" => Self::Drop(at),
            "crash" => Self::Crash(at),
            "stop" => Self::Stop(at, if how == Some("Short") { Nap::Short } else { Nap::Long }),
            "panic" => Self::Panic(at),
            "askpanic" => Self::AskPanic(at),
            "verb" => Self::Verb(at, fate()?),
            "outage" => Self::Outage(at, fate()?),
            _ => return None,
        })
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drop(at) => write!(f, "drop-{at}"),
            Self::Crash(at) => write!(f, "crash-{at}"),
            Self::Stop(at, nap) => write!(f, "stop-{at}-{nap:?}"),
            Self::Panic(at) => write!(f, "panic-{at}"),
            Self::AskPanic(at) => write!(f, "askpanic-{at}"),
            Self::Verb(at, fate) => write!(f, "verb-{at}-{fate:?}"),
            Self::Outage(at, fate) => write!(f, "outage-{at}-{fate:?}"),
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        self.whats.iter().try_for_each(|what| write!(f, "/{what}"))?;
        if let Some(Second { at, here, waits, other, drop, fails }) = self.second {
            let word = |is, yes, no| if is { yes } else { no };
            write!(f, "/second-{at}-{}-{}", word(here, "here", "there"), word(waits, "waits", "hurried"))?;
            write!(f, "-{}-", word(other, "other", "same"))?;
            match drop {
                Some(drop) => write!(f, "{drop}")?,
                None => f.write_str(word(fails, "fails", "stays"))?,
            }
        }
        match self.wire {
            Wire::Lost => Ok(()),
            wire => write!(f, "/wire-{wire:?}"),
        }
    }
}
