//! Whether there was a reason for each refusal. All that was under way at the same time counts as possible.

use std::sync::LazyLock;

use idem::Fingerprint;

use crate::reigns::{Ending, Reign, NEVER};
use crate::story::{Body, Call, Story};

/// For how long a process may go by what it has heard of another: its next question, an answer's time-out, and while it
/// stands still. In microseconds, as all times.
const HEARSAY: u64 = 2_000_000;
/// How far the store's clock may be apart from the clients'.
const SKEW: u64 = 2_000;

/// All that there may be reasons for.
pub(crate) const ALL: [&str; 6] = ["KeyReused", "Indeterminate", "InProgress", "Unreplayable", "Decode", "Store"];

/// What is wrong with an answer that is a refusal, in an error.
pub(crate) fn judge(story: &Story, call: &Call) -> Result<bool, String> {
    let words: Vec<&str> = call.answer.iter().map(String::as_str).collect();
    let [_, "refused", why, attempt, ..] = words[..] else { return Ok(false) };
    let possible = Refused { story, call }.is_possible(why, attempt.parse().unwrap());
    possible.then_some(true).ok_or_else(|| "refused without a reason".into())
}

/// Which refusals in place of a call's answer would have been found out: how much this judges.
pub(crate) fn would_be_found(story: &Story, call: &Call) -> [bool; 6] {
    let refused = Refused { story, call };
    ALL.map(|why| !refused.is_possible(why, 1))
}

struct Refused<'a> {
    story: &'a Story,
    call: &'a Call,
}

impl Refused<'_> {
    fn is_possible(&self, why: &str, attempt: u32) -> bool {
        match why {
            "KeyReused" => self.reused(),
            "Indeterminate" => self.indeterminate(attempt),
            "InProgress" => self.in_progress(),
            "Unreplayable" => self.sent(|ending| *ending == Ending::Unreplayable),
            // Whoever records errors can read both.
            "Decode" => !self.call.options.record_err && self.sent(|ending| matches!(ending, Ending::Result(_, true))),
            "Store" => self.silent(),
            // Nobody drains, calls itself, or leaves out what is needed.
            _ => false,
        }
    }

    fn reigns(&self) -> impl Iterator<Item = &Reign> {
        self.story.reigns.iter().filter(|reign| reign.sent <= self.call.to)
    }

    fn is_mine(&self, reign: &Reign) -> bool {
        reign.client == self.call.client()
    }

    /// Whether somebody had sent such an ending.
    fn sent(&self, is: impl Fn(&Ending) -> bool) -> bool {
        self.story.reigns.iter().any(|reign| reign.sent(self.call.to, &is))
    }

    /// Whether there was a record with another fingerprint, or a run without one beside it.
    fn reused(&self) -> bool {
        let Some(print) = self.call.options.fingerprint else { return false };
        let mine = hex(print);
        // A run that nothing guards has no record at all.
        let here = || self.run_here().any(|other| other.options.fingerprint.is_some_and(|other| other != print));
        // Granted and not told, one without its own goes on with what the record had before.
        let inherits = |reign: &Reign| {
            let before = |other: &Reign| other.sent <= reign.sent && other.is_of_another(&mine);
            reign.fingerprint.is_none() && reign.fence == 0 && self.reigns().any(before)
        };
        let another = |reign: &Reign| {
            // A run that nothing guards may be one whose claim never came there.
            let was_there = reign.is_possible() || self.is_mine(reign) && !reign.failed.is_empty();
            let until = reign.failed().min(reign.replaced(&self.story.reigns));
            let other = reign.is_of_another(&mine) || inherits(reign);
            other && was_there && until.saturating_add(HEARSAY) >= self.call.from
        };
        here() || self.reigns().any(another)
    }

    /// Whether there was an attempt whose outcome was unknown, which was to be the last.
    fn indeterminate(&self, attempt: u32) -> bool {
        let once = self.call.options.at_most_once || self.reigns().any(|reign| reign.at_most_once);
        let unknown = |reign: &Reign| {
            reign.is_possible() && reign.was_unknown(self.call.to + SKEW) && [0, attempt].contains(&reign.attempt)
        };
        once && !self.call.options.reconcile && self.reigns().any(unknown)
    }

    /// Whether another call was under way, or had the key for a while yet. What is done stays so: after that only its own
    /// process may still be busy with it.
    fn in_progress(&self) -> bool {
        let done = self.reigns().map(Reign::done).min().unwrap_or(NEVER);
        let mine_alone = done < self.call.from;
        let meets = |other: &&Call| other.meets(self.call) && !(mine_alone && other.client() != self.call.client());
        let owned = |reign: &Reign| {
            // What was asked for since by its own client, it or another call of that client has asked for.
            let others = reign.sent < self.call.from || !self.is_mine(reign);
            let over = reign.over(&self.story.reigns).min(done);
            others && reign.is_possible() && over.saturating_add(SKEW) >= self.call.from
        };
        self.others().any(|other| meets(&other))
            || self.run_here().next().is_some()
            || self.reigns().any(|reign| owned(reign) || self.lands(reign))
    }

    fn others(&self) -> impl Iterator<Item = &Call> {
        self.story.calls.iter().filter(|other| other.id != self.call.id)
    }

    /// The calls of its own client whose bodies were running meanwhile, whoever has the key.
    fn run_here(&self) -> impl Iterator<Item = &Call> {
        let over = |body: &Body| body.ended.map_or(NEVER, |(at, _)| at);
        self.others().filter(move |other| {
            let body = self.story.bodies.get(&other.id).filter(|_| other.client() == self.call.client());
            body.is_some_and(|body| body.began <= self.call.to && over(body) >= self.call.from)
        })
    }

    /// Whether an ending of its own client was on its way into the record: a success, whoever has the key meanwhile, or another
    /// for as long as it is sent.
    fn lands(&self, reign: &Reign) -> bool {
        let landed = reign.ends.iter().filter_map(|end| end.held).min().unwrap_or(NEVER);
        let sent = || reign.ends.iter().any(|end| end.sent.saturating_add(HEARSAY) >= self.call.from);
        let lands = reign.sent(self.call.to, Ending::is_success) || reign.sent(self.call.to, |_| true) && sent();
        self.is_mine(reign) && lands && landed >= self.call.from
    }

    /// Whether the store had not answered this client, of this key: in this call, or in one that this one waited for.
    fn silent(&self) -> bool {
        let chosen = self.call.options.fail_open && !self.call.options.at_most_once;
        let waited_for = |other: &&Call| other.client() == self.call.client() && other.meets(self.call);
        let since = self.others().filter(waited_for).map(|other| other.from).min().unwrap_or(NEVER);
        let since = since.min(self.call.from)..=self.call.to;
        let failed = |reign: &Reign| self.is_mine(reign) && reign.failed.iter().any(|sent| since.contains(sent));
        !chosen && self.reigns().any(failed)
    }
}

/// A fingerprint as histories have it.
fn hex(print: &str) -> String {
    static KNOWN: LazyLock<[(&str, String); 2]> = LazyLock::new(|| {
        ["a", "b"].map(|print| {
            let bytes = *Fingerprint::of(print).unwrap().as_bytes();
            (print, bytes.iter().map(|byte| format!("{byte:02x}")).collect())
        })
    });
    KNOWN.iter().find(|(known, _)| *known == print).unwrap().1.clone()
}
