//! What a world's calls ask for, and what they find: policies, records, stores.

use std::fmt;
use std::time::Duration;

/// How long a silent owner keeps the key.
pub(crate) const LEASE: Duration = Duration::from_millis(300);
/// How long the store may take to answer: the longest that the engine allows.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(100);
/// Longer than anything takes.
pub(crate) const PATIENT: Duration = Duration::from_secs(5);
pub(crate) const TTL: Duration = Duration::from_secs(3600);
/// A body that takes its time takes longer than a lease.
pub(crate) const PAUSE: Duration = Duration::from_millis(350);

/// A way through the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    /// How the first call's body ends. All later ones succeed.
    pub(crate) ends: Ends,
    pub(crate) body: Body,
    pub(crate) by: By,
    pub(crate) detached: bool,
    pub(crate) at_most_once: bool,
    pub(crate) fail_open: bool,
    /// What `reconcile` comes to, if there is one.
    pub(crate) asks: Option<Says>,
    /// What the first call finds.
    pub(crate) before: Before,
    pub(crate) store: Kind,
    /// Whether requests have fingerprints.
    pub(crate) prints: bool,
    /// Whether the first call waits for others.
    pub(crate) waits: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    Ok,
    /// `record_if` says no.
    No,
    Err,
    UnknownErr,
    RecordedErr,
    /// A value that no codec brings back.
    Unreplayable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// Never pauses.
    Quick,
    /// Pauses before and after its effect.
    Pausing,
    /// The same for longer than a lease.
    Slow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Builder,
    Macro,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    Some,
    None,
    Err,
    /// `Some` if there was an effect, else `None`.
    Truth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    Failed,
    Unknown,
    /// By an attempt that was to be the last one, if its outcome was unknown.
    AbandonedOnce,
    AbandonedOther,
    Lapsed,
    /// Somebody has the key, and will not be heard of again.
    Running,
    RunningOther,
    Done,
    DoneOther,
    DoneUnreplayable,
    ReleasedOther,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It has to be asked each time.
    Asking,
    /// It has a memory to look into.
    Peeking,
    /// Asked each time, behind a memory tier.
    Tiered,
    /// It tells who waits that there is news.
    Hinting,
}

impl Before {
    /// Whether it is another request's.
    pub(crate) const fn is_others(self) -> bool {
        matches!(self, Self::AbandonedOther | Self::RunningOther | Self::DoneOther | Self::ReleasedOther)
    }

    /// Whether an attempt was made whose effect may have happened.
    pub(crate) const fn is_open(self) -> bool {
        matches!(
            self,
            Self::Unknown
                | Self::AbandonedOnce
                | Self::AbandonedOther
                | Self::Lapsed
                | Self::Running
                | Self::RunningOther
        )
    }
}

impl Path {
    const fn new(ends: Ends, body: Body) -> Self {
        Self {
            ends,
            body,
            by: By::Builder,
            detached: false,
            at_most_once: false,
            fail_open: false,
            asks: None,
            before: Before::Nothing,
            store: Kind::Asking,
            prints: false,
            waits: true,
        }
    }
}

const ENDS: [Ends; 6] = [Ends::Ok, Ends::No, Ends::Err, Ends::UnknownErr, Ends::RecordedErr, Ends::Unreplayable];
const BEFORE: [Before; 11] = [
    Before::Failed,
    Before::Unknown,
    Before::AbandonedOnce,
    Before::AbandonedOther,
    Before::Lapsed,
    Before::Running,
    Before::RunningOther,
    Before::Done,
    Before::DoneOther,
    Before::DoneUnreplayable,
    Before::ReleasedOther,
];
const STORES: [Kind; 3] = [Kind::Peeking, Kind::Tiered, Kind::Hinting];
const YES_NO: [bool; 2] = [false, true];

/// The ways that are tried with a second call in every kind of trouble.
pub(crate) fn core() -> Vec<Path> {
    let ok = Path::new(Ends::Ok, Body::Pausing);
    vec![
        ok,
        Path { detached: true, ..ok },
        Path::new(Ends::Ok, Body::Slow),
        Path { at_most_once: true, ..ok },
        Path::new(Ends::Err, Body::Pausing),
        Path { fail_open: true, ..ok },
        Path { asks: Some(Says::Truth), before: Before::Lapsed, ..ok },
    ]
}

/// All ways, the core's first.
pub(crate) fn all() -> Vec<Path> {
    let mut all = core();
    let mut add = |path: Path| {
        if !all.contains(&path) {
            all.push(path);
        }
    };
    for ends in ENDS {
        for body in [Body::Quick, Body::Pausing, Body::Slow] {
            for detached in YES_NO {
                for at_most_once in YES_NO {
                    add(Path { detached, at_most_once, ..Path::new(ends, body) });
                }
            }
        }
        for detached in YES_NO {
            let path = Path::new(ends, Body::Pausing);
            add(Path { detached, by: By::Macro, ..path });
            add(Path { detached, by: By::Macro, at_most_once: true, ..path });
            add(Path { detached, fail_open: true, ..path });
            add(Path { detached, prints: true, ..path });
        }
        for store in STORES {
            add(Path { store, ..Path::new(ends, Body::Pausing) });
        }
    }
    for detached in YES_NO {
        let ok = Path { detached, ..Path::new(Ends::Ok, Body::Pausing) };
        add(Path { fail_open: true, body: Body::Slow, ..ok });
        add(Path { fail_open: true, at_most_once: true, ..ok });
        for before in BEFORE {
            let ok = Path { before, prints: true, ..ok };
            for waits in YES_NO {
                for at_most_once in YES_NO {
                    add(Path { waits, at_most_once, ..ok });
                }
            }
            add(Path { by: By::Macro, ..ok });
            add(Path { fail_open: true, ..ok });
            for store in STORES {
                add(Path { store, ..ok });
            }
        }
        for asks in [Says::Some, Says::None, Says::Err, Says::Truth] {
            for before in [Before::Nothing, Before::Failed, Before::Unknown, Before::Lapsed, Before::Running] {
                for at_most_once in YES_NO {
                    add(Path { asks: Some(asks), before, at_most_once, ..ok });
                }
                add(Path { asks: Some(asks), before, by: By::Macro, ..ok });
            }
        }
    }
    all
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}.{:?}.{:?}.{:?}.{:?}", self.before, self.body, self.ends, self.store, self.by)?;
        let words = [
            (self.detached, ".detached"),
            (self.at_most_once, ".once"),
            (self.fail_open, ".open"),
            (self.prints, ".prints"),
            (!self.waits, ".hurried"),
        ];
        words.iter().filter(|(is, _)| *is).try_for_each(|(_, word)| f.write_str(word))?;
        self.asks.map_or(Ok(()), |says| write!(f, ".asks{says:?}"))
    }
}
