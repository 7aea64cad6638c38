//! Each answer: whose value it is, and why there was none.

use idem::{Kind, Record, State};
use idem_simulation::wire::{Answer, End, Fault, Found, Note, Refusal, Trouble, Word};

use super::{clock, holds, is_operator, same, timeout, Holds, View};
use crate::plan::{Act, Class, Kept};
use crate::world::Who;

/// The longest pause of an ending that does not land.
const LANDING: u64 = 10_000;
/// The longest pause of a call that waits.
const HEARD: u64 = 500;

pub(super) fn check(view: &mut View<'_>) {
    for number in 0..view.calls.len() {
        let call = u32::try_from(number).unwrap();
        let Some((seq, at, answer)) = view.calls[number].answer else {
            let info = view.call(call);
            let node = &view.history.nodes[info.node as usize];
            if node.died.is_none() && info.left.is_none() && info.who != Who::Other {
                view.fail(view.history.notes.len(), format!("law 5: call {call} was never answered"));
            }
            continue;
        };
        if let Err(why) = judge(view, call, seq, at, answer) {
            view.fail(seq, format!("call {call}, answered {answer:?}: {why}"));
        }
    }
}

fn judge(view: &View<'_>, call: u32, seq: usize, at: u64, answer: &Answer) -> Result<(), String> {
    let holding =
        |what: Holds| view.seen(call, seq, at, |record| is_mine(view, call, record) && holds(record) == Some(what));
    let or = |ok: bool, why: &str| if ok { Ok(()) } else { Err(why.to_owned()) };
    let own = view.end_of(call, seq);
    let guarded = view.run_of(call).is_none_or(|(_, run)| run.guarded());
    match own {
        Some((_, End::Panicked)) => or(*answer == Answer::Panicked, "law 9: the panic did not go on")?,
        // Nothing is recorded that could go before it.
        Some((run, End::Value(_))) if !guarded => {
            or(*answer == Answer::Value(run, Kind::Unguarded), "law 9: the unguarded body's value was lost")?;
        }
        Some((_, End::Error(fault))) if !guarded => {
            let fine = *answer == Answer::Error(fault, Some(Kind::Unguarded));
            or(fine, "law 9: the unguarded body's error was lost")?;
        }
        // An outcome that is recorded may come too late.
        Some((_, End::Value(_))) => or(
            matches!(answer, Answer::Value(..) | Answer::Error(Fault::Kept(_), Some(Kind::Replayed))),
            "law 9: the body's value was lost",
        )?,
        Some((_, End::Error(Fault::Kept(_)))) if view.deploy(call).record_err => or(
            matches!(answer, Answer::Error(..) | Answer::Value(_, Kind::Replayed)),
            "law 9: the body's own error was lost",
        )?,
        Some((_, End::Error(fault))) => {
            or(*answer == Answer::Error(fault, Some(Kind::Executed)), "law 9: the body's own error was lost")?;
        }
        Some((_, End::Dropped)) => return Err("answered after its body was dropped".into()),
        None => {}
    }
    match answer {
        Answer::Value(run, Kind::Executed) => {
            let mine = guarded && matches!(own, Some((own, End::Value(_))) if own == *run);
            or(mine, "law 2: no value of its own")?;
            late(view, call, seq, at, *run)
        }
        Answer::Value(run, Kind::Replayed | Kind::Attached) => {
            or(holding(Holds::Value(*run)), "law 2: that value was not recorded then")
        }
        Answer::Value(run, Kind::Reconciled) => {
            let found = view.found_by(call, seq) == Some(Found::Effect(*run));
            or(found, "it was not told so")
        }
        Answer::Value(_, Kind::Unguarded) | Answer::Error(_, Some(Kind::Unguarded)) => {
            or(!guarded && own.is_some(), "law 8: nothing guarded it")
        }
        Answer::Value(..) => Err("an answer of no known kind".into()),
        Answer::Garbled(value) => Err(format!("law 3: no body made {value}")),
        Answer::Error(fault, Some(Kind::Executed)) => {
            or(matches!(own, Some((_, End::Error(own))) if own == *fault), "law 9: not its own error")
        }
        Answer::Error(Fault::Unknown(0), Some(Kind::Reconciled)) => {
            or(view.found_by(call, seq) == Some(Found::Trouble), "it was not told so")
        }
        Answer::Error(fault, Some(Kind::Replayed | Kind::Attached)) => {
            let may = view.deploy(call).record_err && holding(Holds::Error(*fault));
            or(may, "law 2: that error was not recorded then")
        }
        Answer::Error(_, kind) => Err(format!("an error of kind {kind:?}")),
        Answer::Panicked => or(matches!(own, Some((_, End::Panicked))), "it panicked by itself"),
        Answer::Refused(refusal) => or(justified(view, call, seq, at, refusal), "the refusal was not justified"),
        Answer::Settled(settled) => or(operated(view, call, seq, at, *settled), "an operator was told wrong"),
    }
}

fn is_mine(view: &View<'_>, call: u32, record: &Record) -> bool {
    same(record.fingerprint.as_ref(), view.call(call).print.as_ref())
}

/// Whether a run that came too late was told so: what stood recorded all the while goes before its own value.
fn late(view: &View<'_>, call: u32, seq: usize, at: u64, run: u64) -> Result<(), String> {
    let Some((ended, _)) = view.run_of(call).and_then(|(_, run)| run.ended) else { return Ok(()) };
    let since = view.history.notes[ended].at;
    // In trouble for as long as a verb may take, it may have been told nothing.
    if at - since >= timeout(view.deploy(call)) || matches!(view.class(), Class::Forgets | Class::Steps) {
        return Ok(());
    }
    let changes = &view.changes[view.call(call).key as usize];
    let before = changes.iter().rev().find(|changed| changed.seq < ended);
    let meanwhile = changes.iter().any(|changed| ended < changed.seq && changed.seq < seq);
    // Whoever recorded it may not have heard so yet, and who waits for that one in its process waits no longer than it may.
    let unheard = before.is_some_and(|changed| {
        let answered = view.calls[changed.change.call as usize].answer;
        let neighbour = view.call(changed.change.call).node == view.call(call).node;
        neighbour && answered.is_none_or(|(answered, ..)| answered > ended)
    });
    match before.map(|changed| (holds(&changed.change.after), &changed.change.after)) {
        Some((Some(Holds::Value(theirs)), record)) if theirs != run && !meanwhile && !unheard => {
            let valid = clock(record.expires_at) > at && is_mine(view, call, record);
            if valid {
                return Err(format!("law 2: {theirs} had been recorded"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn justified(view: &View<'_>, call: u32, seq: usize, at: u64, refusal: &Refusal) -> bool {
    let (info, deploy) = (view.call(call), view.deploy(call));
    // What its process last heard of another's run holds until it should have asked again.
    let since = info.at.saturating_sub(view.slack(call, at) + HEARD);
    let seen = |what: &dyn Fn(&Record) -> bool| view.seen_since(since, call, seq, what);
    let runs = |record: &Record| matches!(record.state, State::Running { .. });
    match refusal {
        // The record changed under the operator's eyes, or somebody has the key.
        Refusal::InProgress if is_operator(info) => seen(&|_| true),
        Refusal::InProgress => {
            // "With `fail_open` … run unguarded, one at a time per process and key; but once an owner is known,
            // `InProgress`": nobody waits then.
            let hasty = deploy.opens() && in_trouble(view, call, at);
            let patient = at - info.at >= deploy.wait || deploy.reconcile || hasty;
            let known = seen(&runs) || lands(view, call, seq, at, false);
            patient && (known || hasty && (was_leased(view, call, seq) || slept_over(view, call, at)))
        }
        Refusal::KeyReused => {
            seen(&|record| !is_mine(view, call, record) && record.state != State::Failed)
                || lands(view, call, seq, at, true)
        }
        Refusal::Indeterminate(attempt) => {
            let unknown = |record: &Record| match record.state {
                State::Running { lease_until, .. } => view.class() == Class::Steps || clock(lease_until) <= at,
                State::Unknown => true,
                _ => false,
            };
            let last = |record: &Record| record.at_most_once || deploy.at_most_once;
            !deploy.reconcile && seen(&|record| unknown(record) && last(record) && record.attempt == *attempt)
        }
        Refusal::Unreplayable => seen(&|record| is_mine(view, call, record) && holds(record) == Some(Holds::Nothing)),
        Refusal::Decode => {
            let error = |record: &Record| matches!(holds(record), Some(Holds::Error(_)));
            !deploy.record_err && seen(&|record| is_mine(view, call, record) && error(record))
        }
        // Whoever fails open has another answer to that.
        Refusal::Store => in_trouble(view, call, at) && (!deploy.opens() || is_operator(info)),
        Refusal::ShuttingDown => {
            view.history.notes[..seq].iter().any(|seen| matches!(seen.note, Note::Drains(node) if node == info.node))
        }
        Refusal::Other(_) => false,
    }
}

/// Whether another call of this process had the key, or an outcome that was still on its way to the store.
fn lands(view: &View<'_>, call: u32, seq: usize, at: u64, of_another: bool) -> bool {
    let info = view.call(call);
    (0_u32..).zip(&view.history.calls).any(|(number, other)| {
        let known = &view.calls[number as usize];
        // One that nothing guards was there before: detached, it begins a little later.
        let began = view.run_of(number).is_some_and(|(_, run)| run.began < seq || !run.guarded() && other.at <= at);
        let found = known.found.iter().any(|(at, found)| *at < seq && matches!(found, Found::Effect(_)));
        let there = other.node == info.node && other.key == info.key && number != call && (began || found);
        // Nobody knows when what its caller left behind landed; nor what was in trouble, and is sent again now and then.
        let landing = known.answer.is_none_or(|(_, answered, _)| {
            let later = if in_trouble(view, number, answered) { LANDING + view.slack(number, answered) } else { 0 };
            answered + later >= info.at
        });
        there && landing && (!of_another || !same(other.print.as_ref(), info.print.as_ref()))
    })
}

/// Whether an owner can be known that gave its key back before its lease was over: where the store does not answer, what was
/// heard of it last is what is known.
fn was_leased(view: &View<'_>, call: u32, seq: usize) -> bool {
    let info = view.call(call);
    let mut before = view.changes[info.key as usize].iter().take_while(|changed| changed.seq < seq);
    before.any(|changed| match changed.change.after.state {
        State::Running { lease_until, .. } => view.class() == Class::Steps || clock(lease_until) >= info.at,
        _ => false,
    })
}

/// Whether this call was not heard of while its process stood still, and another one of it may have its slot.
fn slept_over(view: &View<'_>, call: u32, at: u64) -> bool {
    let info = view.call(call);
    let slept = view.history.nodes[info.node as usize].stops.iter().any(|(from, to)| *from <= at && info.at <= *to);
    let others = (0_u32..).zip(&view.history.calls);
    let mut beside = others.filter(|(other, there)| *other != call && there.node == info.node && there.key == info.key);
    slept
        && beside.any(|(other, there)| {
            let over = view.calls[other as usize].answer.is_some_and(|(_, answered, _)| answered < info.at);
            there.at <= at && !over
        })
}

/// Whether the store can have been silent for this call.
fn in_trouble(view: &View<'_>, call: u32, at: u64) -> bool {
    let (info, deploy) = (view.call(call), view.deploy(call));
    let slot = view.history.nodes[info.node as usize].slot;
    let since = info.at.saturating_sub(view.slack(call, at));
    // Where many write at once, each of its verbs may take more than one round.
    if deploy.store == Kept::CasStore && view.history.plan.latency > 0 && info.who != Who::Probe {
        return true;
    }
    view.history.plan.acts.iter().any(|(from, act)| match act {
        Act::Trouble(troubled) => {
            let mine = troubled.slot.is_none_or(|other| other == slot) && troubled.trouble != Trouble::Full;
            mine && *from <= at && troubled.until >= since
        }
        _ => false,
    })
}

/// Whether what an operator was told is so.
fn operated(view: &View<'_>, call: u32, seq: usize, at: u64, settled: bool) -> bool {
    let info = view.call(call);
    let wrote = view.changes[info.key as usize].iter().any(|changed| changed.seq < seq && changed.change.call == call);
    match info.who {
        Who::Operator(Word::Inspect) => !settled || view.seen(call, seq, at, |record| !record.is_blank()),
        // Nothing to settle is told only where there was nothing.
        _ if settled => wrote,
        _ => !wrote,
    }
}
