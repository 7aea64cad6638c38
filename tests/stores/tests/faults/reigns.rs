//! Owners of functions' keys, and when they had them, as far as that can be known.

use crate::clients::LEASE;

/// Later than all.
pub(crate) const NEVER: u64 = u64::MAX;

/// What was sent with one owner's token. Times are microseconds.
#[derive(Debug, Default, Clone)]
pub(crate) struct Reign {
    pub(crate) client: String,
    /// Zero if no claim is known to have been granted.
    pub(crate) fence: u64,
    pub(crate) attempt: u32,
    pub(crate) after_unknown: bool,
    /// The record's, where a grant said it; otherwise the claim's.
    pub(crate) fingerprint: Option<String>,
    pub(crate) at_most_once: bool,
    pub(crate) reconciling: bool,
    /// When it was first asked for.
    pub(crate) sent: u64,
    /// Claims that were not answered: they may have been granted, at any time since.
    pub(crate) silent: Vec<u64>,
    /// Those, and such as were certainly not applied.
    pub(crate) failed: Vec<u64>,
    /// When claims and renewals were sent that were granted and held, and when that was heard.
    pub(crate) kept: Vec<(u64, u64)>,
    /// Renewals that were not answered.
    pub(crate) renewing: bool,
    pub(crate) ends: Vec<End>,
    /// When claims were told that it was done.
    pub(crate) told_done: Vec<u64>,
}

/// An ending that was sent, and when it was held.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) sent: u64,
    pub(crate) held: Option<u64>,
    pub(crate) ending: Ending,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// What the codec wrote, in hex; and whether it is an error.
    Result(String, bool),
    Unreplayable,
    Failed,
    Unknown,
    Withdrawn,
}

impl Ending {
    pub(crate) const fn is_success(&self) -> bool {
        matches!(self, Self::Result(..) | Self::Unreplayable)
    }
}

impl Reign {
    /// Whether it was of another request than one with this fingerprint.
    pub(crate) fn is_of_another(&self, print: &str) -> bool {
        self.fingerprint.as_ref().is_some_and(|known| known != print)
    }

    /// Whether the key may have been its own at some time.
    pub(crate) fn is_possible(&self) -> bool {
        self.fence > 0 || !self.silent.is_empty()
    }

    /// When the record was certainly another owner's. A claim that strays may be granted at any time.
    pub(crate) fn replaced(&self, all: &[Self]) -> u64 {
        if !self.silent.is_empty() {
            return NEVER;
        }
        let later = all.iter().filter(|other| other.fence > self.fence);
        later.filter_map(|other| other.kept.first()).map(|(_, heard)| *heard).min().unwrap_or(NEVER)
    }

    /// When the record was certainly free for every request.
    pub(crate) fn failed(&self) -> u64 {
        let failed = self.ends.iter().filter(|end| end.ending == Ending::Failed).filter_map(|end| end.held).min();
        failed.filter(|_| self.silent.is_empty()).unwrap_or(NEVER)
    }

    /// When the key was certainly done, for all that this owner was told.
    pub(crate) fn done(&self) -> u64 {
        let held = self.ends.iter().filter(|end| end.ending.is_success()).filter_map(|end| end.held);
        held.chain(self.told_done.iter().copied()).min().unwrap_or(NEVER)
    }

    /// When its lease was certainly over.
    pub(crate) fn over(&self, all: &[Self]) -> u64 {
        if !self.silent.is_empty() {
            return NEVER;
        }
        let renewed = if self.renewing { None } else { self.kept.iter().map(|(_, heard)| *heard).max() };
        let ended = self.ends.iter().filter_map(|end| end.held).min().unwrap_or(NEVER);
        renewed.map_or(NEVER, |heard| heard + lease()).min(ended).min(self.replaced(all))
    }

    /// Whether its outcome may have been unknown at some time before `moment`: given up, or its lease over.
    pub(crate) fn was_unknown(&self, moment: u64) -> bool {
        let given_up = self.ends.iter().any(|end| end.ending == Ending::Unknown && end.sent <= moment);
        let silent = self.silent.iter().any(|sent| sent + lease() <= moment);
        given_up || silent || self.kept.iter().any(|(sent, _)| self.lapsed(sent + lease()) && sent + lease() <= moment)
    }

    /// Whether its lease may have been over at a moment, one lease after it was kept: neither renewed by then nor ended.
    fn lapsed(&self, moment: u64) -> bool {
        let kept = self.kept.iter().any(|(sent, heard)| *sent + lease() > moment && *heard <= moment);
        let ended = self.ends.iter().any(|end| end.held.is_some_and(|held| held <= moment));
        !kept && !ended
    }

    /// Whether it was sent this ending by `moment`.
    pub(crate) fn sent(&self, moment: u64, is: impl Fn(&Ending) -> bool) -> bool {
        self.ends.iter().any(|end| end.sent <= moment && is(&end.ending))
    }
}

/// Whether a key was granted while another's lease was not over.
pub(crate) fn under_live_leases(reigns: &[Reign]) -> Result<(), String> {
    let mut reigns: Vec<&Reign> = reigns.iter().filter(|reign| reign.fence > 0).collect();
    reigns.sort_by_key(|reign| reign.fence);
    for two in reigns.windows(2) {
        let next = two[1].fence;
        let kept = two[0].kept.iter().map(|(sent, _)| *sent).filter(|sent| *sent < next).max().unwrap_or_default();
        let ended = two[0].ends.iter().map(|end| end.sent).min();
        if kept + lease() > next && ended.is_none_or(|ended| ended > next) {
            return Err(format!("granted at {next}, while a lease was live that was asked for at {kept}"));
        }
    }
    Ok(())
}

fn lease() -> u64 {
    u64::try_from(LEASE.as_micros()).unwrap()
}
