//! Each change of a record: who may do it, from what, and what it says.

use std::collections::BTreeMap;
use std::time::Duration;

use idem::{Owner, Record, State, Timestamp};
use idem_simulation::wire::{Change, End, Fault, Found, Note, Trouble, Word};

use super::{holds, is_operator, same, Changed, Holds, View};
use crate::plan::{Act, Class, Deploy, Kept};
use crate::world::Who;

pub(super) fn check(view: &mut View<'_>) {
    let mut owners = BTreeMap::new();
    tokens(view, &mut owners);
    for key in 0..view.changes.len() {
        let mut highest = 0;
        let mut earlier: Vec<&Record> = Vec::new();
        for changed in view.changes[key].clone() {
            let Changed { seq, .. } = changed;
            let after = &changed.change.after;
            let change = &Change { now: moment(view, changed.change), ..changed.change.clone() };
            let changed = Changed { change, ..changed };
            let stored = change.before.as_ref();
            let before = stored.filter(|record| !record.is_expired(change.now));
            if change.call as usize >= view.history.calls.len() {
                view.fail(seq, "law 6: a change by nobody");
                continue;
            }
            let mine = before.is_some_and(|before| before.owner == after.owner);
            if mine {
                if before.is_some_and(|before| before.fence != after.fence) {
                    view.fail(seq, "law 6: another fence for the same owner");
                }
            } else {
                // Set back beyond the retention, a clock lets them fall.
                let below =
                    if view.class() == Class::Steps { stored.map_or(0, |stored| stored.fence) } else { highest };
                // What was lost may be written once more by whoever wrote it. And where a store only compares and sets, what was
                // to be written if there was nothing is so, however late, once there is nothing any more.
                let again = view.class() == Class::Forgets
                    && earlier.iter().any(|earlier| (earlier.owner, earlier.fence) == (after.owner, after.fence))
                    || view.deploy(change.call).store == Kept::CasStore && stored.is_none();
                if after.fence <= below && !again {
                    view.fail(seq, format!("law 6: fence {} after {below}", after.fence));
                }
            }
            earlier.push(after);
            highest = highest.max(after.fence);
            let known = *owners.entry(*after.owner.as_bytes()).or_insert(change.call);
            if known != change.call {
                view.fail(seq, format!("law 6: call {} changed what call {known} owns", change.call));
            }
            match before {
                _ if is_operator(view.call(change.call)) => settled(view, changed, before),
                Some(before) if mine => own(view, changed, before),
                _ => granted(view, changed, before),
            }
        }
    }
}

/// When a change was decided. A store that only compares and sets is told so by its client, who looked a little earlier.
pub(super) fn moment(view: &View<'_>, change: &Change) -> Timestamp {
    let now = change.now;
    if change.call as usize >= view.history.calls.len() || view.deploy(change.call).store != Kept::CasStore {
        return now;
    }
    let (end, length) = match change.after.state {
        State::Running { lease_until, .. } => (lease_until, change.after.lease),
        _ => (change.after.expires_at, change.after.ttl),
    };
    let looked =
        Timestamp::from_micros(end.as_micros().saturating_sub(Timestamp::from_micros(0).after(length).as_micros()));
    // It wrote only if nothing had changed since. Where the clock was turned meanwhile, that says nothing.
    let fits = looked <= now || view.class() == Class::Steps;
    if fits {
        looked
    } else {
        now
    }
}

/// A claim is one claim, however often it is sent: its token changes only once the store has answered, or
/// it would be over.
fn tokens(view: &mut View<'_>, owners: &mut BTreeMap<[u8; 16], u32>) {
    let mut waits: BTreeMap<u32, (Owner, u64)> = BTreeMap::new();
    for (seq, seen) in view.history.notes.iter().enumerate() {
        match &seen.note {
            Note::Claims { call, owner } => {
                if *owners.entry(*owner.as_bytes()).or_insert(*call) != *call {
                    view.fail(seq, "law 6: a token of another call's");
                }
                let before = waits.insert(*call, (*owner, seen.at));
                // One that may have come would have run out by then.
                let lease = view.deploy(*call).lease;
                if before.is_some_and(|(before, at)| before != *owner && seen.at < at + lease) {
                    view.fail(seq, "law 6: another token before the first was answered");
                }
            }
            Note::Told { call, owner, .. } if waits.get(call).is_some_and(|(waits, _)| waits == owner) => {
                waits.remove(call);
            }
            _ => {}
        }
    }
}

/// A new owner.
fn granted(view: &mut View<'_>, Changed { seq, change, .. }: Changed<'_>, before: Option<&Record>) {
    let (call, deploy, after, now) = (view.call(change.call), view.deploy(change.call), &change.after, change.now);
    let ms = Duration::from_millis;
    let State::Running { since, lease_until, .. } = after.state else {
        view.fail(seq, format!("law 6: a new owner of what is {:?}", after.state));
        return;
    };
    if !matches!(call.who, Who::Caller | Who::Probe) {
        view.fail(seq, "law 8: a grant to nobody who called");
    }
    if (since, lease_until) != (now, now.after(ms(deploy.lease))) || after.ttl != ms(deploy.ttl) {
        view.fail(seq, "law 1: another lease than the claim's");
    }
    // A success that lost its key comes back to record it, whatever became of the attempt after it.
    let is_done = matches!(view.end_of(change.call, seq), Some((_, End::Value(_) | End::Error(Fault::Kept(_)))))
        || matches!(view.found_by(change.call, seq), Some(Found::Effect(_)));
    let again = same(before.and_then(|before| before.fingerprint.as_ref()), call.print.as_ref());
    let (mut attempt, mut at_most_once, mut unknown) = (1, deploy.at_most_once, false);
    if let Some(before) = before {
        match before.state {
            State::Completed(_) => view.fail(seq, "law 4: granted what is done"),
            State::Running { lease_until, .. } if lease_until > now => view.fail(seq, "law 1: granted on a live lease"),
            State::Failed if !again => {}
            _ if !again => view.fail(seq, "another request's key was granted"),
            State::Failed => {
                attempt = before.attempt + 1;
                at_most_once |= before.at_most_once;
            }
            _ => {
                attempt = before.attempt + 1;
                at_most_once |= before.at_most_once;
                unknown = true;
                if at_most_once && !deploy.reconcile && !is_done {
                    view.fail(seq, "at most once: granted after an attempt whose outcome is unknown");
                }
            }
        }
    }
    if (after.attempt, after.at_most_once, after.after_unknown) != (attempt, at_most_once, unknown) {
        view.fail(seq, format!("the grant forgot something: it should be {attempt} {at_most_once} {unknown}"));
    }
}

/// An owner's own doing.
fn own(view: &mut View<'_>, Changed { seq, change, .. }: Changed<'_>, before: &Record) {
    let (after, now, deploy) = (&change.after, change.now, view.deploy(change.call));
    let (ended, began) =
        (view.end_of(change.call, seq), view.run_of(change.call).is_some_and(|(_, run)| run.began < seq));
    let unguarded = view.run_of(change.call).is_some_and(|(_, run)| !run.guarded());
    let full = view.has(|act| matches!(act, Act::Trouble(troubled) if troubled.trouble == Trouble::Full));
    if let State::Completed(_) = before.state {
        view.fail(seq, "law 4: what was done was changed");
    }
    let found = match view.found_by(change.call, seq) {
        Some(Found::Effect(run)) => Some(run),
        _ => None,
    };
    let mut withdrawn = false;
    match &after.state {
        State::Running { lease_until, .. } => {
            if !matches!(before.state, State::Running { .. }) {
                view.fail(seq, "law 6: what had ended runs again");
            }
            if *lease_until != now.after(before.lease) || after.expires_at < lease_until.after(before.ttl) {
                view.fail(seq, "law 1: renewed for another time than the lease");
            }
            return;
        }
        State::Completed(_) => {
            let held = holds(after);
            let honest = match (held, ended) {
                (Some(Holds::Value(run)), Some((own, End::Value(false)))) => run == own,
                (Some(Holds::Value(run)), None) => Some(run) == found,
                (Some(Holds::Error(fault)), Some((_, End::Error(own)))) => fault == own && deploy.record_err,
                (Some(Holds::Nothing), Some((_, End::Value(odd)))) => odd || full,
                (Some(Holds::Nothing), Some((_, End::Error(Fault::Kept(_))))) => full && deploy.record_err,
                (Some(Holds::Nothing), None) => found.is_some() && full,
                _ => false,
            };
            if !honest {
                view.fail(seq, format!("law 2: recorded {held:?}, but it ended {ended:?}"));
            }
        }
        // "Its failure, panic or drop withdraws a claim that is still pending."
        state @ (State::Failed | State::Unknown) if unguarded && !is_success(&deploy, ended) => {
            withdrawn = true;
            if (*state == State::Unknown) != before.after_unknown {
                view.fail(
                    seq,
                    format!(
                        "{state:?} by an unguarded run that is no success, after unknown: {}",
                        before.after_unknown
                    ),
                );
            }
        }
        State::Failed => match ended {
            ended if is_failure(&deploy, ended) => {}
            None if !began && !before.after_unknown => withdrawn = true,
            _ => view.fail(seq, format!("failed, but it ended {ended:?}, begun: {began}")),
        },
        State::Unknown => match ended {
            Some((_, End::Dropped | End::Panicked)) => {}
            Some((_, End::Error(Fault::Unknown(_)))) if deploy.unknown_err => {}
            None if !began && before.after_unknown => withdrawn = true,
            _ => view.fail(seq, format!("unknown, but it ended {ended:?}, begun: {began}")),
        },
        state => view.fail(seq, format!("an unknown state {state:?}")),
    }
    let kept: Timestamp = now.after(before.ttl);
    let kept = if withdrawn { kept.max(before.expires_at) } else { kept };
    if after.expires_at != kept {
        view.fail(seq, "law 2: the TTL counts from something else than the recording");
    }
    if after.attempt != before.attempt - u32::from(withdrawn) {
        view.fail(seq, "an attempt was forgotten, or counted that never began");
    }
}

/// Whether a body is known to have had no effect.
const fn is_failure(deploy: &Deploy, ended: Option<(u64, End)>) -> bool {
    match ended {
        Some((_, End::Error(Fault::Known(_)))) => true,
        Some((_, End::Error(Fault::Kept(_)))) => !deploy.record_err,
        Some((_, End::Error(Fault::Unknown(_)))) => !deploy.unknown_err,
        _ => false,
    }
}

/// Whether a body's outcome is recorded as a success.
const fn is_success(deploy: &Deploy, ended: Option<(u64, End)>) -> bool {
    match ended {
        Some((_, End::Value(_))) => true,
        Some((_, End::Error(Fault::Kept(_)))) => deploy.record_err,
        _ => false,
    }
}

/// An operator's word.
fn settled(view: &mut View<'_>, Changed { seq, change, .. }: Changed<'_>, before: Option<&Record>) {
    let Who::Operator(word) = view.call(change.call).who else { return };
    let Some(before) = before else {
        view.fail(seq, "settled what was not there");
        return;
    };
    if matches!(before.state, State::Running { lease_until, .. } if lease_until > change.now) {
        view.fail(seq, "law 1: settled on a live lease");
    }
    let looked =
        view.calls[change.call as usize].loaded.iter().any(|(by, fence)| *by < seq && *fence == Some(before.fence));
    if !looked {
        view.fail(seq, "law 6: settled a record that was not the one looked at");
    }
    let honest = match word {
        Word::Resolve(run) => holds(&change.after) == Some(Holds::Value(run)),
        Word::Retry => change.after.state == State::Failed && change.after.attempt == before.attempt,
        Word::Forget => change.after.is_blank(),
        Word::Inspect => false,
    };
    if !honest || change.after.expires_at != change.now.after(before.ttl) {
        view.fail(seq, format!("{word:?} made {:?} of it", change.after.state));
    }
}
