//! Each start of a body: under a live grant of its own, once, and never after what must be the last.

use idem::{Record, State};
use idem_simulation::wire::{End, Fault, Found};

use super::changes::moment;
use super::{clock, is_operator, same, Changed, Run, View};
use crate::plan::Class;

pub(super) fn check(view: &mut View<'_>) {
    for call in 0..view.calls.len() {
        if view.calls[call].runs.len() > 1 {
            view.fail(0, format!("call {call} ran its body twice"));
        }
    }
    for key in 0..view.of_key.len() {
        // Of the others no record needs to know; what they may do is said in `open`.
        let runs: Vec<_> = view.of_key[key].iter().map(|run| view.runs[run]).filter(Run::guarded).collect();
        let mut at_most_once = false;
        for (index, run) in runs.iter().enumerate() {
            let last = index.checked_sub(1).map(|last| runs[last]);
            if runs[..index].iter().any(|other| other.fence == run.fence) {
                view.fail(run.began, "law 1: two bodies under one fence");
            }
            let changes = view.changes[key].clone();
            let mine = |changed: &&Changed<'_>| changed.change.after.fence == run.fence && changed.seq < run.began;
            let Some(grant) = changes.iter().find(mine).filter(|grant| grant.change.call == run.call) else {
                view.fail(run.began, "law 8: a body began without a grant");
                continue;
            };
            if grant.change.after.attempt != run.attempt {
                view.fail(run.began, "a body was told another attempt than the record's");
            }
            let asked = view.calls[run.call as usize]
                .found
                .iter()
                .any(|found| found.1 == Found::Nothing && grant.seq < found.0 && found.0 < run.began);
            if grant.change.after.after_unknown && view.deploy(run.call).reconcile && !asked {
                view.fail(run.began, "a body began, and what became of the one before was not asked");
            }
            if view.class() == Class::Forgets {
                continue;
            }
            stands(view, *run, &changes);
            let anew = changes.iter().any(|other| {
                let since = last.is_none_or(|last| last.began < other.seq) && other.seq <= grant.seq;
                since && (is_operator(view.call(other.change.call)) || starts_afresh(view, other))
            });
            let deploy = view.deploy(run.call);
            at_most_once = at_most_once && !anew || deploy.at_most_once;
            let unknown = last.is_some_and(|last| is_unknown(view, last, run.began));
            if at_most_once && unknown && !anew && !deploy.reconcile {
                view.fail(run.began, "at most once: a body began after one whose outcome is unknown");
            }
        }
    }
}

/// What the record says when a body begins.
fn stands(view: &mut View<'_>, run: Run, changes: &[Changed<'_>]) {
    let before = |changed: &&Changed<'_>| changed.seq < run.began;
    let Some(now) = changes.iter().rev().find(before) else { return };
    let at = view.history.notes[run.began].at;
    let record: &Record = &now.change.after;
    // A step of the store's clock may end a lease that its owner counts on.
    let live = match record.state {
        State::Running { lease_until, .. } => clock(lease_until) > at || view.class() == Class::Steps,
        _ => false,
    };
    if view.class() != Class::Steps && (record.fence != run.fence || !live) {
        view.fail(run.began, format!("law 1: a body began, and its lease was over: {:?}", record.state));
    }
    let done =
        changes.iter().rev().filter(before).find(|changed| matches!(changed.change.after.state, State::Completed(_)));
    if let Some(done) = done {
        let undone = changes
            .iter()
            .any(|other| done.seq < other.seq && other.seq < run.began && is_operator(view.call(other.change.call)));
        let over = clock(done.change.after.expires_at) <= at || view.class() == Class::Steps;
        if !undone && !over {
            view.fail(run.began, "law 4: a body began after a success was recorded");
        }
    }
}

/// Whether this is a grant that nothing stood in the way of: no record, or another request's that is known to have failed.
fn starts_afresh(view: &View<'_>, grant: &Changed<'_>) -> bool {
    let change = grant.change;
    let before = change.before.as_ref().filter(|before| !before.is_expired(moment(view, change)));
    before.is_none_or(|before| {
        let print = view.call(change.call).print.as_ref();
        let other = before.state == State::Failed && !same(before.fingerprint.as_ref(), print);
        other && before.owner != change.after.owner
    })
}

/// Whether nobody could know by then what a run had done.
fn is_unknown(view: &View<'_>, run: Run, by: usize) -> bool {
    match run.ended.filter(|(seq, _)| *seq < by) {
        None | Some((_, End::Dropped | End::Panicked)) => true,
        Some((_, End::Error(Fault::Unknown(_)))) => view.deploy(run.call).unknown_err,
        Some(_) => false,
    }
}
