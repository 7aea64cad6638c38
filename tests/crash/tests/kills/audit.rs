//! What was done, against what was answered.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::bench::{Seen, Told, Who, LEASE};
use crate::plan::{At, Case, Race};
use crate::scene::{Blow, How, Policy};

/// Far more than it takes a machine that has something else to do; a key that is stuck is so for ever.
const PATIENCE: Duration = Duration::from_secs(8);

/// The law that was broken, if one was.
pub(crate) fn audit(case: &Case, seen: &Seen) -> Result<(), String> {
    let result = result(seen)?;
    values(seen, &result)?;
    effects(case, seen, &result)?;
    if seen.waited > LEASE + PATIENCE {
        return Err(format!("no wedge: somebody waited {:?}", seen.waited));
    }
    if !seen.record.starts_with("record Completed") {
        return Err(format!("done stays done: {}", seen.record));
    }
    match case.must() {
        Some(_) => named(case, seen, &result),
        None => Ok(()),
    }
}

/// One result: what all get who ask when all is over.
fn result(seen: &Seen) -> Result<String, String> {
    let mut last = seen.told.iter().filter(|(who, _)| *who == Who::Last);
    let values: Option<BTreeSet<&str>> = last.try_fold(BTreeSet::new(), |mut values, (_, told)| match told {
        Told::Answer { kind, value, .. } if kind == "Replayed" => {
            values.insert(&**value);
            Some(values)
        }
        _ => None,
    });
    match values.map(|values| values.into_iter().collect::<Vec<_>>()).as_deref() {
        Some([value]) => Ok((*value).to_owned()),
        _ => Err("one result: those who asked last did not all replay the same".into()),
    }
}

/// Everybody got it, also who came too late. What could not be recorded reached its own caller.
fn values(seen: &Seen, result: &str) -> Result<(), String> {
    for (who, told) in &seen.told {
        match (who, told) {
            (_, Told::Answer { value, .. }) if value == result => {}
            (Who::Victim(n), Told::Answer { value, landed: false, kind }) if kind != "Replayed" => {
                let own = seen.effects.iter().any(|e| e.to_string() == *value && e.pid == seen.victims[*n]);
                if !own && kind == "Executed" {
                    return Err(format!("{value} was answered and never done"));
                }
            }
            (_, Told::Answer { .. }) => return Err(format!("one result: {who:?} was told {told:?} and not {result}")),
            (Who::Victim(_), Told::Stale) => {}
            (_, Told::Refused(why)) if ["InProgress", "Indeterminate"].iter().any(|known| why.starts_with(known)) => {}
            (Who::Victim(_), Told::Refused(why)) if why == "Store" => {}
            _ => return Err(format!("{who:?} was told {told:?}")),
        }
    }
    Ok(())
}

/// A result is that of something done; each run has a fence of its own, and they rise; each process ran once at most.
fn effects(case: &Case, seen: &Seen, result: &str) -> Result<(), String> {
    if !seen.effects.iter().any(|effect| effect.to_string() == *result) {
        return Err(format!("the result {result} was never done"));
    }
    let mut by_fence = seen.effects.clone();
    by_fence.sort_by_key(|effect| effect.fence);
    if by_fence.windows(2).any(|two| two[0].fence == two[1].fence || two[0].attempt >= two[1].attempt) {
        return Err("fences and attempts do not rise together".into());
    }
    let clerks = seen.effects.iter().filter(|effect| !seen.victims.contains(&effect.pid)).count();
    let processes: BTreeSet<u32> = seen.effects.iter().map(|effect| effect.pid).collect();
    // Who was dropped in its body and lives calls again.
    let twice = case.strikes.iter().any(|strike| matches!(strike.at, At::Point(scene) if scene.how == How::Dropped));
    if clerks > 1 || processes.len() + usize::from(twice) < seen.effects.len() {
        return Err("somebody ran it beside an owner, or after a result".into());
    }
    if case.policy != Policy::Again && seen.effects.len() != 1 {
        return Err(format!("{:?}: done {} times", case.policy, seen.effects.len()));
    }
    Ok(())
}

/// What is known in advance, because the point is.
fn named(case: &Case, seen: &Seen, result: &str) -> Result<(), String> {
    let Some(must) = case.must() else { return Ok(()) };
    if seen.effects.len() != must.effects {
        return Err(format!("done {} times and not {}", seen.effects.len(), must.effects));
    }
    let last = seen.victims.last().copied().unwrap_or_default();
    let winner = seen.effects.iter().find(|effect| effect.to_string() == *result);
    if let (Some(victims), Some(winner)) = (must.victims, winner) {
        if victims != (winner.pid == last) {
            return Err(format!("the result is {} the last victim's", if victims { "not" } else { "" }));
        }
    }
    // A claim whose answer did not come in time was withdrawn, or not yet, and its caller called again.
    let claimed_again = seen.told.iter().any(|(who, told)| matches!((who, told), (Who::Victim(_), Told::Refused(_))));
    if let (Some(attempt), Some(winner), false) = (must.attempt, winner, claimed_again) {
        if winner.attempt != attempt {
            return Err(format!("it was attempt {} and not {attempt}", winner.attempt));
        }
    }
    let stopped = case.strikes.last().is_some_and(|strike| strike.blow == Blow::Stop);
    let slow = claimed_again && !stopped;
    let first: Vec<&Told> = seen.told.iter().filter(|(who, _)| *who == Who::Racer(0)).map(|(_, told)| told).collect();
    let kinds =
        |wanted: &str| first.iter().filter(|told| matches!(told, Told::Answer { kind, .. } if kind == wanted)).count();
    let indeterminate = first.iter().filter(|told| told.is_indeterminate()).count();
    let impatient = seen.told.iter().find(|(who, _)| *who == Who::Impatient).map(|(_, told)| told);
    let ran_before = matches!(impatient, Some(Told::Answer { .. }));
    let ran =
        |kind: &str| kinds(kind) == usize::from(!ran_before) && first.iter().all(|t| matches!(t, Told::Answer { .. }));
    let well = match must.race {
        Race::Runs => ran("Executed"),
        Race::Finds => ran("Reconciled"),
        Race::Replays => kinds("Replayed") == first.len(),
        Race::Indeterminate => indeterminate == first.len(),
    };
    // A claim that came twice may have left less, or more, than the point says.
    if !well && !slow {
        return Err(format!("those who asked first were told {first:?}, and not: {:?}", must.race));
    }
    if let Some((_, told)) = seen.told.iter().find(|(who, _)| *who == Who::Lax) {
        if !told.is_indeterminate() {
            return Err(format!("a caller that does not ask for at-most-once was told {told:?}"));
        }
    }
    Ok(())
}
