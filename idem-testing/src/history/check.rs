//! Wing and Gong's search for an order, a key at a time.
//!
//! A verb may come next in the order if it was asked before any other that is left had been answered. Those that fit now and
//! change nothing may as well come now. One whose answer was lost comes only if it changes something, and of those that ask the
//! same, the first. What was reached before, with no more than the same lost verbs, is not searched again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use idem_core::Key;

use super::note::{Answer, Op, NEVER};
use super::world::{Window, World};
use super::{text, Checked, Contradiction};

/// How many steps a search may take for a key. Honest histories take a few for each verb.
const STEPS: usize = 10_000;

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
        match search(&ops, skew) {
            Found::Order => {}
            Found::None => return Err(contradiction(key, &ops, skew)),
            Found::GaveUp => checked.undecided += 1,
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

/// A beginning of an order: what is in it, and what the record may be after it.
struct Node {
    /// How many of the verbs in it were answered, and how many were not.
    answered: usize,
    lost: usize,
    done: Vec<bool>,
    world: World,
}

/// Looks for an order of all verbs that were answered, and any of the others. The longest beginning is looked at first, and of
/// those the one that takes the fewest lost verbs for it.
fn search(ops: &[Op], skew: u64) -> Found {
    let all = ops.iter().filter(|op| op.answer.is_some()).count();
    // By the answered verbs that are in it, in their order.
    let mut reached: HashMap<Vec<bool>, Vec<(Vec<bool>, World)>> = HashMap::new();
    let mut open = BTreeMap::new();
    let mut number = 0_usize;
    let start = Node { answered: 0, lost: 0, done: vec![false; ops.len()], world: World::default() };
    open.insert((0, Reverse(0), 0), start);
    for _ in 0..STEPS {
        let Some((_, mut node)) = open.pop_last() else { return Found::None };
        // Where one fits that changes nothing, there is nothing to decide.
        let mut next = branches(ops, &node.done, &node.world, skew);
        let settled =
            |(at, after): &(usize, Vec<World>), world: &World| is_answered(ops, *at) && *after == [world.clone()];
        while let Some((at, _)) = next.iter().find(|next| settled(next, &node.world)) {
            mark(&mut node.done, *at);
            node.answered += 1;
            next = branches(ops, &node.done, &node.world, skew);
        }
        if node.answered == all {
            return Found::Order;
        }
        // With fewer of the lost verbs, and the same record, more can follow.
        let known = reached.entry(node.done.iter().zip(ops).map(|(done, op)| *done && op.answer.is_some()).collect());
        let known = known.or_default();
        let fewer = |other: &[bool]| other.iter().zip(&node.done).all(|(other, done)| !other || *done);
        if known.iter().any(|(done, world)| *world == node.world && fewer(done)) {
            continue;
        }
        known.push((node.done.clone(), node.world));
        // What was answered first is looked at first.
        next.sort_by_key(|(at, _)| Reverse(ops.get(*at).map_or(NEVER, |op| op.returned)));
        for (at, worlds) in next {
            let mut done = node.done.clone();
            mark(&mut done, at);
            let (answered, lost) =
                if is_answered(ops, at) { (node.answered + 1, node.lost) } else { (node.answered, node.lost + 1) };
            for world in worlds {
                number += 1;
                open.insert((answered, Reverse(lost), number), Node { answered, lost, done: done.clone(), world });
            }
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
    let first = moments.partition_point(|moment| search(&until(ops, *moment), skew) != Found::None);
    let moment = moments.get(first).copied().unwrap_or(NEVER);
    let story = text::story(&key, &until(ops, moment));
    Contradiction { key, story }
}
