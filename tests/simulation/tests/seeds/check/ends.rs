//! What must be so when all is quiet.

use idem::Kind;
use idem_simulation::wire::{Answer, End, Note, Refusal};

use super::{holds, View};
use crate::plan::Class;
use crate::world::Who;

pub(super) fn check(view: &mut View<'_>) {
    let end = view.history.notes.len();
    for left in &view.history.left {
        view.fail(end, format!("law 5: left over: {left}"));
    }
    probes(view);
    if view.class() != Class::Forgets {
        landed(view);
    }
}

/// A fresh call on each key runs, or is answered, or says that nobody knows.
fn probes(view: &mut View<'_>) {
    let mut first = vec![None; view.changes.len()];
    for (call, info) in (0_u32..).zip(&view.history.calls) {
        if info.who != Who::Probe {
            continue;
        }
        let Some((seq, _, answer)) = view.calls[call as usize].answer else { continue };
        let fine = matches!(
            answer,
            Answer::Value(..)
                | Answer::Error(_, Some(Kind::Replayed))
                | Answer::Refused(Refusal::Indeterminate(_) | Refusal::Unreplayable)
        );
        if !fine {
            view.fail(seq, format!("law 5: a wedge: {answer:?}"));
        }
        match (&first[info.key as usize], answer) {
            (Some(run), again) if *again != Answer::Value(*run, Kind::Replayed) => {
                view.fail(seq, format!("law 2: {run} was not replayed, but {again:?}"));
            }
            (None, Answer::Value(run, Kind::Executed)) => first[info.key as usize] = Some(*run),
            _ => {}
        }
    }
}

/// A success that a process knew of, and that nobody took over from, is recorded, if the process lived or had drained.
fn landed(view: &mut View<'_>) {
    let mut drained = vec![false; view.history.nodes.len()];
    for seen in &view.history.notes {
        if let Note::Drained(node, 0) = seen.note {
            drained[node as usize] = true;
        }
    }
    let runs: Vec<_> = view.runs.iter().map(|(number, run)| (*number, *run)).collect();
    for (number, run) in runs {
        let (info, deploy) = (view.call(run.call), view.deploy(run.call));
        let lived = view.history.nodes[info.node as usize].died.is_none() || drained[info.node as usize];
        let Some((ended, End::Value(_))) = run.ended else { continue };
        if !lived || deploy.ttl < 10_000 || !run.guarded() {
            continue;
        }
        let changes = &view.changes[info.key as usize];
        let grant = changes.iter().find(|changed| changed.change.after.fence == run.fence).map_or(0, |grant| grant.seq);
        let taken = changes.iter().any(|changed| changed.seq > grant && changed.change.call != run.call);
        let told =
            changes.iter().any(|changed| changed.change.call == run.call && holds(&changed.change.after).is_some());
        // Taken over by those who ask at the end, it was lost before.
        let late = changes.iter().find(|changed| changed.seq > grant && changed.change.call != run.call);
        let probed = late.is_some_and(|changed| view.call(changed.change.call).who == Who::Probe);
        if !told && (!taken || probed) {
            view.fail(ended, format!("law 4: the success of run {number} was never recorded"));
        }
    }
}
