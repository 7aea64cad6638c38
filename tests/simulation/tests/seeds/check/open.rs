//! What nothing guards: by choice, without the store's answer, and alone in its process. And what a process knows to be done
//! while that is on its way to the store: law 4 is about unguarded runs, too.

use idem::State;
use idem_simulation::wire::{End, Fault, Found, Heard};

use super::{timeout, Changed, Run, View};
use crate::plan::{Act, Class, Kept};

pub(super) fn check(view: &mut View<'_>) {
    for key in 0..view.of_key.len() {
        let runs: Vec<_> = view.of_key[key].iter().map(|run| view.runs[run]).collect();
        let done = successes(view, key, &runs);
        for (index, run) in runs.iter().enumerate() {
            if !run.guarded() {
                chosen(view, *run);
            }
            if runs[..index].iter().any(|other| beside(view, *other, *run)) {
                view.fail(run.began, "law 8: an unguarded body and another one, in one process at a time");
            }
            if done.iter().any(|success| is_landing(view, key, success, *run)) {
                view.fail(run.began, "law 4: a body began, and its process knew of a success that was landing");
            }
        }
        if view.class() != Class::Forgets {
            for success in done.iter().filter(|success| !success.guarded) {
                landed(view, key, success);
            }
        }
    }
}

/// "Store silent for `store_timeout`, or refuses … With `fail_open`, and neither `at_most_once` nor `tx`: run unguarded …; but
/// once an owner is known, `InProgress`."
fn chosen(view: &mut View<'_>, run: Run) {
    let (deploy, asked) = (view.deploy(run.call), &view.calls[run.call as usize]);
    let sent = asked.claims.iter().rfind(|(seq, ..)| *seq < run.began).map(|(seq, _)| *seq);
    let mut told = asked.told.iter().filter(|(seq, _, heard)| *seq < run.began && *heard != Heard::Nothing);
    let told = told.next_back().map(|(seq, _, heard)| (*seq, *heard));
    let answered = told.is_some_and(|(seq, _)| sent.is_some_and(|sent| sent < seq));
    if !deploy.opens() {
        view.fail(run.began, "law 8: a body began without a grant");
    }
    if run.attempt != 0 {
        view.fail(run.began, "an unguarded body was told of an attempt");
    }
    // A store that compares and sets is asked otherwise.
    if sent.is_none() && deploy.store != Kept::CasStore {
        view.fail(run.began, "law 8: an unguarded body, and nobody asked the store");
    }
    if answered {
        view.fail(run.began, "law 8: an unguarded body, and the store had answered");
    }
    if told.is_some_and(|(_, heard)| heard == Heard::Owner) {
        view.fail(run.began, "law 8: an unguarded body, and its call knew of an owner");
    }
    if !may_be_silent(view, run.call, view.history.notes[run.began].at) {
        view.fail(run.began, "law 8: an unguarded body, and the store answers");
    }
}

/// Whether a claim of this call's can have been without an answer for as long as it waits for one.
fn may_be_silent(view: &View<'_>, call: u32, at: u64) -> bool {
    let node = &view.history.nodes[view.call(call).node as usize];
    // Where many write at once, each verb may take more than one round.
    if node.deploy.store == Kept::CasStore && view.history.plan.latency > 0 {
        return true;
    }
    let stops: u64 = node.stops.iter().filter(|(from, _)| *from < at).map(|(from, to)| to - from).sum();
    let since = at.saturating_sub(timeout(node.deploy) + stops + 2 * view.history.plan.latency + 1);
    view.troubled(node.slot, since, at)
}

/// Whether a body began while another one of its process ran, and one of them is unguarded.
fn beside(view: &View<'_>, one: Run, other: Run) -> bool {
    let going = one.ended.is_none_or(|(ended, _)| other.began < ended);
    let here = view.call(one.call).node == view.call(other.call).node;
    here && going && !(one.guarded() && other.guarded())
}

/// A success that a process knows of: its body's, or what it was told of an attempt before.
#[derive(Debug)]
struct Success {
    call: u32,
    /// When it was known.
    seq: usize,
    guarded: bool,
    /// From when on others' records are in its way: its grant, or without one its first claim.
    since: usize,
}

fn successes(view: &View<'_>, key: usize, runs: &[Run]) -> Vec<Success> {
    let granted = |call: u32, by: usize| {
        let mut grants = view.changes[key].iter().filter(|changed| changed.change.call == call && changed.seq < by);
        grants.rfind(|changed| {
            let before = changed.change.before.as_ref();
            before.is_none_or(|before| before.fence != changed.change.after.fence)
        })
    };
    let ran = runs.iter().filter_map(|run| {
        let (seq, end) = run.ended?;
        let done = match end {
            End::Value(_) => true,
            End::Error(Fault::Kept(_)) => view.deploy(run.call).record_err,
            _ => false,
        };
        let since = if run.guarded() {
            view.changes[key].iter().find(|changed| changed.change.after.fence == run.fence)?.seq
        } else {
            view.calls[run.call as usize].claims.first()?.0
        };
        done.then_some(Success { call: run.call, seq, guarded: run.guarded(), since })
    });
    let asked = (0_u32..).zip(&view.calls).filter(|(call, _)| view.call(*call).key as usize == key);
    let found = asked.filter_map(|(call, asked)| {
        let (seq, _) = *asked.found.iter().find(|(_, found)| matches!(found, Found::Effect(_)))?;
        Some(Success { call, seq, guarded: true, since: granted(call, seq)?.seq })
    });
    ran.chain(found).collect()
}

/// Whether a body began that must not: "the process that knows of the success renews and re-sends for as long as it lives and
/// nobody has taken over", for the TTL, and until it is recorded no other call of this process runs the body. An unguarded success is
/// sent for one lease.
fn is_landing(view: &View<'_>, key: usize, success: &Success, run: Run) -> bool {
    let (began, known) = (view.history.notes[run.began].at, view.history.notes[success.seq].at);
    let (info, deploy) = (view.call(success.call), view.deploy(success.call));
    let sent_for = if success.guarded { deploy.ttl } else { deploy.lease };
    if run.call == success.call
        || view.call(run.call).node != info.node
        || run.began < success.seq
        || began >= known + sent_for
    {
        return false;
    }
    let mut mine = view.changes[key].iter().filter(|changed| changed.change.call == success.call);
    let landed =
        mine.any(|changed| changed.seq < run.began && matches!(changed.change.after.state, State::Completed(_)));
    // Granted the key when all this was known, it gives it back.
    let late = |changed: &Changed<'_>| run.guarded() && changed.change.call == run.call && changed.seq > success.seq;
    !landed && !in_the_way(view, key, success, run.began, late)
}

/// Whether there was a record by then that is somebody else's.
fn in_the_way(view: &View<'_>, key: usize, success: &Success, by: usize, but: impl Fn(&Changed<'_>) -> bool) -> bool {
    let changes = &view.changes[key];
    // What stood when it came was nothing to a guarded one, which took over.
    let first = match changes.iter().rposition(|changed| changed.seq < success.since) {
        // What was lost may have come back.
        _ if view.class() == Class::Forgets => 0,
        Some(before) if !success.guarded => before,
        Some(before) => before + 1,
        None => 0,
    };
    changes[first..].iter().filter(|changed| changed.seq < by && changed.change.call != success.call).any(|changed| {
        let free = !success.guarded && changed.change.after.state == State::Failed;
        !free && !but(changed)
    })
}

/// An unguarded success is recorded, if nothing is in its way for the lease that it is sent for.
fn landed(view: &mut View<'_>, key: usize, success: &Success) {
    let (info, deploy) = (view.call(success.call), view.deploy(success.call));
    let node = &view.history.nodes[info.node as usize];
    let from = view.history.notes[success.seq].at;
    let until = from + deploy.lease;
    let stopped = node.stops.iter().any(|(begins, ends)| *begins <= until && from <= *ends);
    let died = node.died.is_some_and(|died| died <= until);
    let end = view.history.notes.iter().rposition(|seen| seen.at <= until).map_or(0, |last| last + 1);
    let in_time = |changed: &&Changed<'_>| changed.seq < end && changed.change.call == success.call;
    let told = view.changes[key].iter().filter(in_time).any(|changed| {
        // Or before all this, by another that had taken its effect for one of its own.
        matches!(changed.change.after.state, State::Completed(_))
    });
    if !told
        && !stopped
        && !died
        && !view.troubled(node.slot, from, until)
        && !in_the_way(view, key, success, end, |_| false)
    {
        view.fail(success.seq, "law 4: an unguarded success was not recorded, and nothing was in its way");
    }
}

impl View<'_> {
    /// Whether there was trouble on a way to the store, at some time between.
    pub(super) fn troubled(&self, slot: u32, since: u64, until: u64) -> bool {
        self.history.plan.acts.iter().any(|(from, act)| match act {
            Act::Trouble(troubled) => {
                let mine = troubled.slot.is_none_or(|other| other == slot);
                mine && *from <= until && troubled.until >= since
            }
            _ => false,
        })
    }
}
