//! A failing plan, made as short as it still fails.

use crate::check::check;
use crate::plan::{Act, Plan};
use crate::world;

/// How many worlds that may take.
const BUDGET: usize = 3_000;

pub(crate) fn shrink(plan: &Plan) -> Plan {
    let mut tried = 0;
    let mut fails = |plan: &Plan| {
        tried += 1;
        tried <= BUDGET && !check(&world::run(plan)).is_empty()
    };
    let mut best = plan.clone();
    // Delta debugging: halves first, then smaller and smaller parts.
    let mut size = best.acts.len().max(1);
    while size > 0 {
        let mut at = 0;
        while at < best.acts.len() {
            let mut shorter = best.clone();
            shorter.acts.drain(at..(at + size).min(best.acts.len()));
            if fails(&shorter) {
                best = shorter;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    for at in 0..best.acts.len() {
        for simpler in simpler(best.acts[at].1) {
            let mut other = best.clone();
            other.acts[at].1 = simpler;
            if fails(&other) {
                best = other;
            }
        }
    }
    for deploy in 1..best.deploys.len() {
        let mut other = best.clone();
        other.deploys[deploy] = other.deploys[0];
        if fails(&other) {
            best = other;
        }
    }
    let mut still = best.clone();
    still.latency = 0;
    if fails(&still) {
        best = still;
    }
    best
}

fn simpler(act: Act) -> Vec<Act> {
    match act {
        Act::Call { slot, key, request, body, leaves } => {
            let mut all = vec![Act::Call { slot, key, request: 0, body, leaves }];
            if leaves.is_some() {
                all.push(Act::Call { slot, key, request, body, leaves: None });
            }
            let mut short = body;
            (short.ms, short.effect) = (0, 0);
            all.push(Act::Call { slot, key, request, body: short, leaves });
            all
        }
        _ => Vec::new(),
    }
}
