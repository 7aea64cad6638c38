//! What was tried, and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::bench::{Seen, Told, Who};
use crate::plan::Case;
use crate::scene::Blow;

/// Of one store and one policy.
#[derive(Debug, Default, Clone)]
pub(crate) struct Figures {
    pub(crate) keys: usize,
    pub(crate) kills: usize,
    stops: usize,
    sleeps: usize,
    pub(crate) effects: usize,
    takeovers: usize,
    found: usize,
    late: usize,
    fenced: usize,
    indeterminate: usize,
    mended: usize,
    in_progress: usize,
    replays: usize,
    missed: usize,
    waited: Duration,
}

/// By store and policy.
pub(crate) type Table = BTreeMap<String, Figures>;

impl Figures {
    pub(crate) fn missed(&mut self) {
        self.missed += 1;
    }

    pub(crate) fn add(&mut self, case: &Case, seen: &Seen) {
        let blows = |blow| case.strikes.iter().filter(|strike| strike.blow == blow).count();
        let told = |is: &dyn Fn(&Who, &Told) -> bool| seen.told.iter().filter(|(who, told)| is(who, told)).count();
        let kind = |wanted: &str| told(&|_, told| matches!(told, Told::Answer { kind, .. } if kind == wanted));
        let result = seen.told.iter().rev().find_map(|(who, told)| match told {
            Told::Answer { value, .. } if *who == Who::Last => Some(value.clone()),
            _ => None,
        });
        let last = seen.victims.last().copied().unwrap_or_default();
        let stood_still = blows(Blow::Stop) + blows(Blow::Sleep) > 0;
        let own = told(
            &|who, told| matches!((who, told), (Who::Victim(_), Told::Answer { kind, landed: true, .. }) if kind == "Executed"),
        );
        self.keys += 1;
        self.kills += blows(Blow::Kill);
        self.stops += blows(Blow::Stop);
        self.sleeps += blows(Blow::Sleep);
        self.effects += seen.effects.len();
        self.takeovers += seen.effects.iter().filter(|effect| effect.attempt > 1).count();
        self.found += kind("Reconciled");
        let by_last = seen.effects.iter().any(|e| e.pid == last && Some(e.to_string()) == result);
        self.late += usize::from(stood_still && by_last && own > 0);
        self.fenced += told(&|_, told| *told == Told::Stale);
        self.indeterminate += told(&|_, told| told.is_indeterminate());
        self.mended += usize::from(seen.mended.is_some());
        self.in_progress += told(&|_, told| matches!(told, Told::Refused(why) if why == "InProgress"));
        self.replays += kind("Replayed") + kind("Attached");
        self.waited = self.waited.max(seen.waited);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, kills, stops, sleeps, effects, takeovers, found, late, .. } = self;
        let Self { fenced, indeterminate, mended, in_progress, replays, missed, waited, .. } = self;
        write!(
            f,
            "{keys} keys: {kills} kills, {stops} stops, {sleeps} sleeps; {effects} effects, {takeovers} of them after a \
             take-over, {found} found, {late} late landings, {fenced} effects fenced off; {replays} replays, {indeterminate} \
             indeterminate, {mended} mended, {in_progress} in progress; {missed} missed their point; longest wait {waited:.1?}"
        )
    }
}
