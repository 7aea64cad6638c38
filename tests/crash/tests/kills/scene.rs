//! Where a process comes to grief.

use std::fmt;
use std::str::FromStr;

/// Makes enums that can be told to a child: by their variants' names.
macro_rules! told {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum $name { $($(#[$of])* $variant,)* }

        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(name: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|it| format!("{it:?}") == name).ok_or_else(|| name.to_owned())
            }
        }
    )*};
}

told! {
    /// What an unknown outcome means.
    Policy {
        /// It runs again.
        Again
        /// `at_most_once`: it never does.
        Once
        /// `reconcile`: somebody looks.
        Ask
    }

    /// What becomes of the call around the body.
    How {
        /// Its caller waits for it.
        Awaited
        /// It is `detached`, and its caller is gone before the body begins.
        Detached
        /// Its caller goes when the effect is done and the body is not over.
        Dropped
        /// Its caller goes when the body is over and its ending on the way.
        Ended
        /// The store does not take the ending in time, so the caller is answered and the ending lands in the background.
        Unrecorded
        /// An earlier attempt's outcome is unknown, and this one asks.
        Asking
    }

    /// How far it has come.
    Spot {
        ClaimUnsent
        ClaimUnanswered
        /// Between the store's answer and the body.
        Granted
        /// The task of a detached body is there and was not polled.
        Spawned
        AskBegun
        AskLooked
        /// In the body, before its effect.
        Begun
        /// In the body, after it.
        Done
        RenewalUnsent
        RenewalUnanswered
        EndUnsent
        EndUnanswered
        /// The call is over and its answer was not told.
        Answered
    }

    /// What happens to the process there.
    Blow {
        Kill
        /// It stands still past its lease while another process calls, and then goes on.
        Stop
        /// It stands still past its lease, nobody calls, and it goes on.
        Sleep
    }
}

/// A point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scene {
    pub(crate) how: How,
    pub(crate) spot: Spot,
}

/// What is true of a call that stands at a point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) claimed: bool,
    /// This attempt has had its effect.
    pub(crate) acted: bool,
    pub(crate) recorded: bool,
}

impl Scene {
    pub(crate) const fn new(how: How, spot: Spot) -> Self {
        Self { how, spot }
    }

    /// All that a first attempt comes by.
    pub(crate) fn all() -> Vec<Self> {
        use {How::*, Spot::*};
        let awaited = [
            ClaimUnsent,
            ClaimUnanswered,
            Granted,
            Begun,
            Done,
            RenewalUnsent,
            RenewalUnanswered,
            EndUnsent,
            EndUnanswered,
            Answered,
        ];
        let detached = [Spawned, Begun, Done, RenewalUnsent, EndUnsent, EndUnanswered];
        let awaited = awaited.map(|spot| Self::new(Awaited, spot)).into_iter();
        let detached = detached.map(|spot| Self::new(Detached, spot));
        let gone = [Dropped, Ended, Unrecorded].into_iter();
        let gone = gone.flat_map(|how| [Self::new(how, EndUnsent), Self::new(how, EndUnanswered)]);
        awaited.chain(detached).chain(gone).collect()
    }

    /// All that one comes by which asks what became of the attempt before it.
    pub(crate) fn asking() -> Vec<Self> {
        use Spot::*;
        let spots = [AskBegun, AskLooked, EndUnsent, EndUnanswered, Answered];
        spots.map(|spot| Self::new(How::Asking, spot)).to_vec()
    }

    /// What is true there.
    pub(crate) fn facts(self) -> Facts {
        use Spot::*;
        let Self { how, spot } = self;
        let acted = how != How::Asking && spot >= Done;
        let recorded = spot >= EndUnanswered && how != How::Dropped;
        Facts { claimed: spot != ClaimUnsent, acted, recorded }
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:{:?}", self.how, self.spot)
    }
}

impl FromStr for Scene {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (how, spot) = text.split_once(':').ok_or(text)?;
        Ok(Self { how: how.parse()?, spot: spot.parse()? })
    }
}
