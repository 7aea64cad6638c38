//! Holds a history against the laws. Nothing here knows the engine: it knows what bodies did, what callers were told, and
//! what stood in the records.

mod answers;
mod bodies;
mod changes;
mod ends;
mod open;

use std::collections::BTreeMap;

use idem::{Completion, Fingerprint, Owner, Record, State};
use idem_simulation::wire::{Answer, Change, End, Fault, Found, Heard, Note, Value};

use crate::plan::{Act, Class, Deploy, Kept};
use crate::world::{Call, History, Who};

/// What is wrong with a history; nothing, if the laws hold.
pub(crate) fn check(history: &History) -> Vec<String> {
    let mut view = View::new(history);
    changes::check(&mut view);
    bodies::check(&mut view);
    open::check(&mut view);
    answers::check(&mut view);
    ends::check(&mut view);
    view.wrong
}

/// A history, by who and what.
struct View<'a> {
    history: &'a History,
    runs: BTreeMap<u64, Run>,
    /// The runs of each key, in the order they began.
    of_key: Vec<Vec<u64>>,
    changes: Vec<Vec<Changed<'a>>>,
    calls: Vec<Asked<'a>>,
    wrong: Vec<String>,
}

/// An execution of a body.
#[derive(Debug, Clone, Copy)]
struct Run {
    call: u32,
    fence: u64,
    attempt: u32,
    began: usize,
    ended: Option<(usize, End)>,
}

impl Run {
    /// Whether the key was its call's. Without it there is no fence.
    const fn guarded(&self) -> bool {
        self.fence != 0
    }
}

/// A change, and its place in the history.
#[derive(Debug, Clone, Copy)]
struct Changed<'a> {
    seq: usize,
    at: u64,
    change: &'a Change,
}

/// What is known of a call.
#[derive(Debug, Default, Clone)]
struct Asked<'a> {
    runs: Vec<u64>,
    found: Vec<(usize, Found)>,
    /// Its claims, and what they were answered.
    claims: Vec<(usize, Owner)>,
    told: Vec<(usize, Owner, Heard)>,
    /// Fences of the records it looked at.
    loaded: Vec<(usize, Option<u64>)>,
    answer: Option<(usize, u64, &'a Answer)>,
}

impl<'a> View<'a> {
    fn new(history: &'a History) -> Self {
        let keys = history.plan.keys as usize;
        let mut view = Self {
            history,
            runs: BTreeMap::new(),
            of_key: vec![Vec::new(); keys],
            changes: vec![Vec::new(); keys],
            calls: vec![Asked::default(); history.calls.len()],
            wrong: Vec::new(),
        };
        for (seq, seen) in history.notes.iter().enumerate() {
            match &seen.note {
                Note::Began { run, call, fence, attempt } => {
                    let (call, fence, attempt) = (*call, *fence, *attempt);
                    view.runs.insert(*run, Run { call, fence, attempt, began: seq, ended: None });
                    view.calls[call as usize].runs.push(*run);
                    view.of_key[history.calls[call as usize].key as usize].push(*run);
                }
                Note::Ended(run, end) => {
                    if let Some(run) = view.runs.get_mut(run) {
                        run.ended = Some((seq, *end));
                    }
                }
                Note::Asked(call, found) => view.calls[*call as usize].found.push((seq, *found)),
                Note::Answered(call, answer) => view.calls[*call as usize].answer = Some((seq, seen.at, answer)),
                Note::Claims { call, owner } => view.calls[*call as usize].claims.push((seq, *owner)),
                Note::Told { call, owner, heard } => view.calls[*call as usize].told.push((seq, *owner, *heard)),
                Note::Loaded { call, fence, .. } => view.calls[*call as usize].loaded.push((seq, *fence)),
                Note::Changed(change) => {
                    view.changes[change.key as usize].push(Changed { seq, at: seen.at, change });
                }
                _ => {}
            }
        }
        view
    }

    fn fail(&mut self, seq: usize, what: impl Into<String>) {
        let at = self.history.notes.get(seq).map_or(0, |seen| seen.at);
        self.wrong.push(format!("#{seq} at {at} ms: {}", what.into()));
    }

    fn class(&self) -> Class {
        self.history.plan.class
    }

    fn call(&self, call: u32) -> &'a Call {
        &self.history.calls[call as usize]
    }

    fn deploy(&self, call: u32) -> Deploy {
        self.history.nodes[self.call(call).node as usize].deploy
    }

    /// The call's own execution.
    fn run_of(&self, call: u32) -> Option<(u64, Run)> {
        self.calls[call as usize].runs.first().and_then(|run| Some((*run, *self.runs.get(run)?)))
    }

    /// How it had ended by then.
    fn end_of(&self, call: u32, by: usize) -> Option<(u64, End)> {
        let (number, run) = self.run_of(call)?;
        run.ended.filter(|(seq, _)| *seq < by).map(|(_, end)| (number, end))
    }

    /// What it was told of an earlier attempt by then.
    fn found_by(&self, call: u32, by: usize) -> Option<Found> {
        self.calls[call as usize].found.iter().rev().find(|(seq, _)| *seq < by).map(|(_, found)| *found)
    }

    /// Whether there was ever this trouble.
    fn has(&self, which: impl Fn(&Act) -> bool) -> bool {
        self.history.plan.acts.iter().any(|(_, act)| which(act))
    }

    /// How old what a call is told may be: what its process learned for others, and slept over, and has in memory.
    fn slack(&self, call: u32, until: u64) -> u64 {
        let node = &self.history.nodes[self.call(call).node as usize];
        let stops: u64 = node.stops.iter().filter(|(from, _)| *from < until).map(|(from, to)| to - from).sum();
        let memory = match node.deploy.store {
            Kept::Tiered(max_age) => max_age,
            _ => 0,
        };
        timeout(node.deploy) + stops + memory + 1
    }

    /// Whether the key's record was such a one, at some time that this call can know of.
    fn seen(&self, call: u32, seq: usize, at: u64, what: impl Fn(&Record) -> bool) -> bool {
        self.seen_since(self.call(call).at.saturating_sub(self.slack(call, at)), call, seq, what)
    }

    fn seen_since(&self, since: u64, call: u32, seq: usize, what: impl Fn(&Record) -> bool) -> bool {
        let changes = &self.changes[self.call(call).key as usize];
        let mut changes = changes.iter().take_while(|changed| changed.seq < seq).peekable();
        while let Some(changed) = changes.next() {
            let until = match (self.class(), changes.peek()) {
                // What was lost may have come back.
                (Class::Forgets, _) => u64::MAX,
                (_, Some(next)) => next.at,
                (Class::Steps, None) => u64::MAX,
                (_, None) => clock(changed.change.after.expires_at),
            };
            if until >= since && what(&changed.change.after) {
                return true;
            }
        }
        false
    }
}

/// The longest that a call waits for one verb.
fn timeout(deploy: Deploy) -> u64 {
    deploy.timeout.min(deploy.lease / 3)
}

/// A moment of the store's clock as one of the world's, in ms, unless it was turned.
fn clock(at: idem::Timestamp) -> u64 {
    at.as_micros().saturating_sub(1_700_000_000_000_000).div_ceil(1000)
}

fn same(one: Option<&Fingerprint>, other: Option<&Fingerprint>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// What a record holds of a done call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Value(u64),
    Error(Fault),
    Nothing,
    Foreign,
}

fn holds(record: &Record) -> Option<Holds> {
    let State::Completed(completion) = &record.state else { return None };
    let Completion::Result(payload) = completion else { return Some(Holds::Nothing) };
    // Version, codec, side, checksum; and JSON.
    let (head, json) = payload.as_bytes().split_at_checked(11).unwrap_or_default();
    Some(match head {
        [1, 1, 0, ..] => serde_json::from_slice::<Value>(json).map_or(Holds::Foreign, |value| Holds::Value(value.run)),
        [1, 1, 1, ..] => serde_json::from_slice::<Fault>(json).map_or(Holds::Foreign, Holds::Error),
        _ => Holds::Foreign,
    })
}

fn is_operator(call: &Call) -> bool {
    matches!(call.who, Who::Operator(_))
}
