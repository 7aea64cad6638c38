//! A process that is killed while it has keys.

use idem_store_tests::{on_each_store, Site};

use crate::slow::{all, another, answers, effects, in_the_middle, runs, KEYS};

on_each_store! {
    what_a_killed_process_had_runs_again
    what_a_killed_process_had_does_not_run_again_if_it_must_run_once
}

fn what_a_killed_process_had_runs_again(site: Site) {
    let (mut killed, first) = in_the_middle(&site, false, false);
    killed.kill();
    let said = another(&site, false);
    assert_eq!(answers(&said), all(|n| format!("Executed b{n}")));
    let second = runs(&said);
    assert_eq!(second.len(), KEYS, "key 0 was done");
    for ((attempt, fence), (_, before)) in second.iter().zip(&first[1..]) {
        assert!(*attempt == 2 && fence > before, "{second:?} after {first:?}");
    }
    assert_eq!(answers(&another(&site, false)), all(|n| format!("Replayed b{n}")));
    assert_eq!(effects(&site).len(), 1 + 2 * KEYS);
}

fn what_a_killed_process_had_does_not_run_again_if_it_must_run_once(site: Site) {
    let (mut killed, _) = in_the_middle(&site, true, false);
    killed.kill();
    for _ in 0..2 {
        assert_eq!(answers(&another(&site, true)), all(|_| "unknown 1".into()));
    }
    assert_eq!(effects(&site).len(), 1 + KEYS);
}
