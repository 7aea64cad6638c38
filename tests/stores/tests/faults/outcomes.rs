//! How calls go, and what they come to.

use std::time::Duration;

use idem::Error;
use serde::{Deserialize, Serialize, Serializer};

use crate::options::Options;

/// Which call ran; behind `~` where that cannot be recorded.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Value(pub(crate) String);

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0.starts_with('~') {
            return Err(serde::ser::Error::custom("no words for it"));
        }
        to.serialize_str(&self.0)
    }
}

/// An error, and which call came to it.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum BodyError {
    #[error("nothing happened")]
    Nothing(String),
    #[error("nobody knows what happened")]
    Unknown(String),
    #[error("nothing happened, and never will")]
    Final(String),
    #[error("nobody answers what happened")]
    Unsure(String),
    #[error(transparent)]
    #[serde(skip)]
    Idem(#[from] Error),
}

impl BodyError {
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Final(_))
    }
}

/// How a call goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goes {
    /// Its number among its client's.
    pub(crate) call: usize,
    /// How long its body takes to its effect, and then to its end.
    pub(crate) takes: [Duration; 2],
    pub(crate) ends: End,
    pub(crate) options: Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Well,
    /// With an effect, and a value that cannot be recorded.
    Odd,
    Nothing,
    /// With an effect.
    Unknown,
    Final,
}
