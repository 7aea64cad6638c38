//! What bodies did, beside what callers were told and what the store was asked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::story::{self, Story};
use crate::values::Told;
use crate::{bodies, refusals, values};

/// Figures.
#[derive(Debug, Default)]
pub(crate) struct Audited {
    keys: usize,
    bodies: usize,
    effects: usize,
    /// Keys with more than one.
    repeated: usize,
    unguarded: usize,
    /// Bodies whose callers had gone, and that went on.
    alone: usize,
    asked: usize,
    answers: usize,
    /// Recorded errors that were answered.
    errors: usize,
    /// Values that reached only their own callers, for they could not be recorded.
    own: usize,
    /// Keys whose outcome is unknown in the end, and that must not run again.
    unknown: usize,
    refused: BTreeMap<String, usize>,
    /// Replays under the faults, and in place of how many of them a refusal of each kind would have been found out.
    replays: (usize, [usize; 6]),
}

/// What is wrong, in an error.
pub(crate) fn audit(dir: &Path, files: &[PathBuf]) -> Result<Audited, String> {
    let mut audited = Audited::default();
    for ((name, n), story) in story::read(dir, files)? {
        audited.judge(&name, &story).map_err(|why| format!("{name} {n}: {why}\n{story:#?}"))?;
    }
    Ok(audited)
}

impl Audited {
    fn judge(&mut self, name: &str, story: &Story) -> Result<(), String> {
        bodies::judge(name, story)?;
        values::judge_record(story)?;
        for call in &story.calls {
            let of = |why: String| format!("{} was answered {:?}: {why}", call.id, call.answer.join(" "));
            let told = values::judge(story, call).map_err(of)?;
            if refusals::judge(story, call).map_err(of)? {
                *self.refused.entry(call.answer[2].clone()).or_default() += 1;
            } else if call.answer.first().is_some_and(|kind| kind == "Replayed") && !call.client().ends_with("last") {
                self.replays.0 += 1;
                let found = refusals::would_be_found(story, call);
                self.replays.1.iter_mut().zip(found).for_each(|(count, found)| *count += usize::from(found));
            }
            self.answers += usize::from(call.answer.last().is_some_and(|word| word != "dropped"));
            self.own += usize::from(told == Told::Own);
            self.errors += usize::from(told == Told::Recorded && call.answer[1] == "error");
            let went_on = story.bodies.get(&call.id).and_then(|body| body.ended).is_some_and(|(at, _)| at > call.to);
            self.alone += usize::from(call.options.detached && went_on);
        }
        self.keys += usize::from(!story.bodies.is_empty());
        self.bodies += story.bodies.len();
        self.effects += story.effects.len();
        self.repeated += usize::from(story.effects.len() > 1);
        self.unguarded += story.bodies.values().filter(|body| body.fence == 0).count();
        self.asked += story.asks.len();
        self.unknown += usize::from(story.record.is_none());
        Ok(())
    }

    pub(crate) fn add(&mut self, other: Self) {
        let Self {
            keys,
            bodies,
            effects,
            repeated,
            unguarded,
            alone,
            asked,
            answers,
            errors,
            own,
            unknown,
            refused,
            replays,
        } = other;
        self.keys += keys;
        self.bodies += bodies;
        self.effects += effects;
        self.repeated += repeated;
        self.unguarded += unguarded;
        self.alone += alone;
        self.asked += asked;
        self.answers += answers;
        self.errors += errors;
        self.own += own;
        self.unknown += unknown;
        self.replays.0 += replays.0;
        self.replays.1.iter_mut().zip(replays.1).for_each(|(all, more)| *all += more);
        for (why, count) in refused {
            *self.refused.entry(why).or_default() += count;
        }
    }
}

impl fmt::Display for Audited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            keys,
            bodies,
            effects,
            repeated,
            unguarded,
            alone,
            asked,
            answers,
            errors,
            own,
            unknown,
            refused,
            replays,
        } = self;
        let refused: Vec<_> = refused.iter().map(|(why, count)| format!("{count} {why}")).collect();
        let found = |found: &usize| format!("{}%", found * 100 / replays.0.max(1));
        let found: Vec<_> = refusals::ALL.iter().zip(&replays.1).map(|(why, count)| found(count) + " " + why).collect();
        write!(
            f,
            "{answers} calls answered ({errors} recorded errors; refused: {}; in place of a replay each would be found out: {}), {bodies} bodies on {keys} keys ({unguarded} \
             unguarded, {alone} outlived their callers), {effects} effects ({repeated} keys with more than one), {asked} \
             asked, {own} values that reached only their caller, {unknown} outcomes unknown",
            refused.join(", "),
            found.join(", ")
        )
    }
}
