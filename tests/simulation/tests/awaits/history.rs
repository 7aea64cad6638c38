//! What happened in a world, in order.

use std::time::Duration;

use idem::{Claim, Claimed, Finish, Owner, Ownership, Record};
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// When, since the world began.
    pub(crate) at: Duration,
    /// In which process.
    pub(crate) node: usize,
    /// To which call.
    pub(crate) call: usize,
    pub(crate) what: Happened,
}

#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)] // A history is one list, and is gone with its world.
pub(crate) enum Happened {
    /// A call begins.
    Calls {
        waits: bool,
        other: bool,
    },
    Sent(usize, Ask),
    Applied {
        verb: usize,
        ask: Ask,
        before: Option<Record>,
        after: Option<Record>,
    },
    /// The answer reached the sender; `false` is an error.
    Answered(usize, bool),
    /// A body is polled for the first time.
    Begins {
        fence: u64,
        attempt: u32,
    },
    Effect,
    Ends(usize, End),
    /// A body that had not ended was dropped, or panicked.
    Gone(usize),
    /// `reconcile` is polled for the first time.
    Asks {
        fence: u64,
    },
    Found(Found),
    AskGone,
    /// A call was answered.
    Over(Answer),
    /// A call's future was dropped.
    Left,
    Crashed,
    Stopped,
    Woken,
    /// No process has anything left to do.
    Quiet,
}

impl Event {
    /// The event without what is another each time.
    pub(crate) fn shape(&self) -> String {
        match &self.what {
            Happened::Sent(verb, ask) => format!("sent {verb} {}", ask.name()),
            Happened::Applied { verb, ask, after, .. } => {
                let state = after.as_ref().map(|after| &after.state);
                format!("applied {verb} {} {state:?}", ask.name())
            }
            what => format!("{} {} {what:?}", self.node, self.call),
        }
    }
}

/// What a store is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    Claim(Claim),
    Renew(Owner),
    Finish(Finish),
}

impl Ask {
    const fn name(&self) -> &'static str {
        match self {
            Self::Claim(_) => "claim",
            Self::Renew(_) => "renew",
            Self::Finish(..) => "finish",
        }
    }

    pub(crate) const fn owner(&self) -> Owner {
        match self {
            Self::Claim(claim) => claim.owner,
            Self::Renew(owner) | Self::Finish(Finish { owner, .. }) => *owner,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Said {
    Claimed(Claimed),
    Held(Ownership),
}

/// How a body ended by itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    Ok(Value),
    Err(Fault),
}

/// What `reconcile` said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    Some(Value),
    None,
    Err(Fault),
}

/// What a call was answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Value(Value, idem::Kind),
    Body(Fault, Option<idem::Kind>),
    Refused(Refusal),
    Panicked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    InProgress,
    KeyReused,
    Indeterminate,
    Unreplayable,
    Store,
    Other,
}

/// A result that says which run it is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Value {
    pub(crate) run: usize,
    pub(crate) yes: bool,
    /// Comes back to the last bit, or not at all.
    pub(crate) exact: f64,
}

/// An error that says the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Fault {
    Known(usize),
    Unknown(usize),
    Recorded(usize),
    Asking(usize),
    #[serde(skip)]
    Refused(Refused),
}

/// The library's own error, for functions whose error has to hold it.
#[derive(Debug, Clone)]
pub(crate) struct Refused(pub(crate) std::sync::Arc<idem::Error>);

impl PartialEq for Refused {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl From<idem::Error> for Fault {
    fn from(error: idem::Error) -> Self {
        Self::Refused(Refused(std::sync::Arc::new(error)))
    }
}

impl From<&idem::Error> for Refusal {
    fn from(error: &idem::Error) -> Self {
        match error {
            idem::Error::InProgress { .. } => Self::InProgress,
            idem::Error::KeyReused { .. } => Self::KeyReused,
            idem::Error::Indeterminate { .. } => Self::Indeterminate,
            idem::Error::Unreplayable { .. } => Self::Unreplayable,
            idem::Error::Store { .. } => Self::Store,
            _ => Self::Other,
        }
    }
}
