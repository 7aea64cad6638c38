//! Wing and Gong's search for an order, a key at a time.
//!
//! A verb may come next in the order if it was asked before any other that is left had been answered. Those tried first are
//! the ones that change nothing: they fit now, so they may as well come now. One whose answer was lost comes only if it changes
//! something, and of those that ask the same, the first. What was reached before is not searched again.

use std::collections::HashMap;

use idem_core::Key;

use super::note::{Answer, Op, NEVER};
use super::world::{Window, World};
use super::{text, Checked, Contradiction};

/// How many steps a search may take for a key. Honest histories take a few for each verb.
const STEPS: usize = 100_000;

pub(super) fn check(ops: Vec<Op>, skew: u64) -> Result<Checked, Contradiction> {
    let mut checked = Checked::default();
    let mut keys: Vec<(Key, Vec<Op>)> = Vec::new();
    let mut places = HashMap::new();
    for op in ops.into_iter().filter(|op| op.answer != Some(Answer::NotApplied)) {
        *(if op.answer.is_some() { &mut checked.answered } else { &mut checked.unknown }) += 1;
        let place = *places.entry(op.key.clone()).or_insert(keys.len());
        match keys.get_mut(place) {
            Some((_, ops)) => ops.push(op),
            None => keys.push((op.key.clone(), vec![op])),
        }
    }
    checked.keys = keys.len();
    for (key, mut ops) in keys {
        ops.sort_by_key(|op| op.invoked);
        if search(&ops, skew) != Found::Order {
            return Err(contradiction(key, &ops, skew));
        }
    }
    Ok(checked)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Order,
    None,
    GaveUp,
}

/// Looks for an order of all verbs that were answered, and any of the others.
fn search(ops: &[Op], skew: u64) -> Found {
    let mut reached: HashMap<Vec<bool>, Vec<World>> = HashMap::new();
    let mut open = vec![(vec![false; ops.len()], World::default())];
    for _ in 0..STEPS {
        let Some((mut done, world)) = open.pop() else { return Found::None };
        // Where one fits that changes nothing, there is nothing to decide.
        let mut next = branches(ops, &done, &world, skew);
        while let Some((at, _)) = next.iter().find(|(at, after)| is_answered(ops, *at) && *after == [world.clone()]) {
            mark(&mut done, *at);
            next = branches(ops, &done, &world, skew);
        }
        if ops.iter().zip(&done).all(|(op, done)| *done || op.answer.is_none()) {
            return Found::Order;
        }
        let known = reached.entry(done.clone()).or_default();
        if known.contains(&world) {
            continue;
        }
        known.push(world);
        // The last one is looked at first: what was answered, the earliest.
        next.sort_by_key(|(at, _)| std::cmp::Reverse(ops.get(*at).map_or(NEVER, |op| op.returned)));
        for (at, worlds) in next {
            let mut done = done.clone();
            mark(&mut done, at);
            open.extend(worlds.into_iter().map(|world| (done.clone(), world)));
        }
    }
    Found::GaveUp
}

/// What may come next, and what the record may be then.
fn branches(ops: &[Op], done: &[bool], world: &World, skew: u64) -> Vec<(usize, Vec<World>)> {
    let left = || ops.iter().zip(done).enumerate().filter(|(_, (_, done))| !**done).map(|(at, (op, _))| (at, op));
    let horizon = left().map(|(_, op)| op.returned).min().unwrap_or(NEVER);
    let mut lost: Vec<&Op> = Vec::new();
    let mut next = Vec::new();
    for (at, op) in left().take_while(|(_, op)| op.invoked <= horizon) {
        if op.answer.is_none() {
            if lost.iter().any(|known| known.asked == op.asked) {
                continue;
            }
            lost.push(op);
        }
        let from = op.invoked.saturating_sub(skew);
        let whole = Window { from, to: op.returned.saturating_add(skew) };
        let worlds = world.after(op, Window { from, to: horizon.saturating_add(skew) }, whole);
        if !worlds.is_empty() {
            next.push((at, worlds));
        }
    }
    next
}

fn is_answered(ops: &[Op], at: usize) -> bool {
    ops.get(at).is_some_and(|op| op.answer.is_some())
}

fn mark(done: &mut [bool], at: usize) {
    if let Some(done) = done.get_mut(at) {
        *done = true;
    }
}

/// What was known at a moment: questions asked by then, and answers given by then.
fn until(ops: &[Op], moment: u64) -> Vec<Op> {
    let asked = ops.iter().filter(|op| op.invoked <= moment).cloned();
    asked.map(|op| if op.returned <= moment { op } else { Op { returned: NEVER, answer: None, ..op } }).collect()
}

/// The shortest beginning that has no order: the beginnings of one that has an order have one.
fn contradiction(key: Key, ops: &[Op], skew: u64) -> Contradiction {
    let mut moments: Vec<u64> = ops.iter().map(|op| op.returned).filter(|moment| *moment != NEVER).collect();
    moments.sort_unstable();
    let first = moments.partition_point(|moment| search(&until(ops, *moment), skew) == Found::Order);
    let moment = moments.get(first).copied().unwrap_or(NEVER);
    let beginning = until(ops, moment);
    let undecided = search(&beginning, skew) == Found::GaveUp;
    let story = text::story(&key, &beginning, undecided);
    Contradiction { key, undecided, story }
}
