//! What a world must have met, lest it proves its laws of nothing.

use std::sync::atomic::{AtomicU64, Ordering};

/// Something that happens in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A claim takes over a lease that is over, or an unknown key.
    TakenOver,
    /// A claim runs what an attempt before it has failed.
    NextAttempt,
    /// A claim is refused since it may be the second effect.
    Indeterminate,
    /// A claim is refused for another fingerprint.
    Reused,
    /// A claim gets the recorded result.
    Replayed,
    /// A claim is told to wait.
    Waits,
    /// A success lands after its lease was over.
    LateSuccess,
    /// An ending is refused, for somebody took over.
    Lost,
    /// A call that lost its lease comes back and records its success.
    CameBack,
    /// A call that lost its lease comes back and finds somebody else's result.
    CameBackTooLate,
    /// A claim arrives twice, the second time after its run has ended.
    LateClaim,
    /// A claim arrives so late that its owner is gone and others had the key since.
    GhostClaim,
    /// A renewal saves a lease that was over.
    LateRenewal,
    /// A claim is withdrawn, and the attempt before it is unknown again.
    WithdrawnAfterUnknown,
    /// A record is deleted and the key granted again.
    GrantedAfterDeletion,
    /// A call finds out that an earlier attempt did not happen, and runs.
    AskedAndRan,
    /// Its lease was over when it knew, and it claims again.
    AskedTooLong,
    /// An operator's word is taken.
    Settled,
    /// An operator's word is refused for a live lease.
    SettleRefused,
    /// An operator's word is refused for the record is another one.
    SettleOutdated,
    /// An attempt begins with steps of the one before.
    StepsReplayed,
    /// A step is saved after its owner lost the key.
    StepLost,
}

impl Event {
    /// All of them.
    pub const ALL: [(Self, &'static str); 22] = [
        (Self::TakenOver, "a lapsed key is taken over"),
        (Self::NextAttempt, "a failed key runs again"),
        (Self::Indeterminate, "a claim is refused as indeterminate"),
        (Self::Reused, "a claim is refused as reused"),
        (Self::Replayed, "a claim is answered with the result"),
        (Self::Waits, "a claim is told to wait"),
        (Self::LateSuccess, "a late success lands"),
        (Self::Lost, "an ending is lost to another owner"),
        (Self::CameBack, "a lost success comes back and is recorded"),
        (Self::CameBackTooLate, "a lost success comes back and finds another"),
        (Self::LateClaim, "a claim arrives again after its run"),
        (Self::GhostClaim, "a claim arrives after its owner and others"),
        (Self::LateRenewal, "a renewal saves a lapsed lease"),
        (Self::WithdrawnAfterUnknown, "a withdrawn claim leaves the outcome unknown"),
        (Self::GrantedAfterDeletion, "a deleted key is granted again"),
        (Self::AskedAndRan, "it did not happen, and the body runs"),
        (Self::AskedTooLong, "it did not happen, and the lease is over"),
        (Self::Settled, "an operator's word is taken"),
        (Self::SettleRefused, "an operator's word is refused for a live lease"),
        (Self::SettleOutdated, "an operator's word is refused as outdated"),
        (Self::StepsReplayed, "an attempt begins with saved steps"),
        (Self::StepLost, "a step is lost to another owner"),
    ];
}

/// Which events there were so far, and of which of them the checker was told.
#[derive(Debug, Default)]
pub(crate) struct Met {
    events: AtomicU64,
    told: AtomicU64,
}

impl Met {
    pub(crate) fn meet(&self, event: Event) {
        let bit = 1 << event as u64;
        if self.events.load(Ordering::Relaxed) & bit == 0 {
            self.events.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Whether there was such an event; said once, for the checker writes down each path that it is told of.
    pub(crate) fn is_news(&self, event: Event) -> bool {
        let bit = 1 << event as u64;
        self.events.load(Ordering::Relaxed) & bit != 0 && self.told.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    pub(crate) fn has(&self, event: Event) -> bool {
        self.events.load(Ordering::Relaxed) & 1 << event as u64 != 0
    }
}
