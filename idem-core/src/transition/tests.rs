use std::time::Duration;

use super::*;
use crate::fingerprint::Fingerprint;
use crate::record::{Completion, Owner, Payload, State, Step};

const LEASE: Duration = Duration::from_secs(15);
const TTL: Duration = Duration::from_secs(60);
/// The longest lease and TTL.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
const START: Timestamp = Timestamp::from_micros(1_000_000_000);

fn owner(n: u8) -> Owner {
    Owner::from_bytes([n; 16])
}

fn claim(n: u8) -> Claim {
    Claim::new(owner(n), LEASE, TTL)
}

fn print(n: u8) -> Option<Fingerprint> {
    Some(Fingerprint::from_bytes([n; 32]))
}

fn completed() -> Ending {
    Ending::Completed(Completion::Result(Payload::from_bytes(&b"\x01\x01\x00null"[..])))
}

/// A store of one key.
#[derive(Debug, Clone, Default)]
struct Cell(Option<Record>);

impl Cell {
    fn apply<V: Verb>(&mut self, verb: V, now: Timestamp) -> V::Answer {
        let (change, answer) = transition(self.0.as_ref(), verb, now);
        match change {
            Change::Keep => {}
            Change::Write(record) => self.0 = Some(record),
        }
        answer
    }

    fn claim(&mut self, claim: Claim, now: Timestamp) -> Claimed {
        self.apply(&claim, now)
    }

    fn finish(&mut self, n: u8, ending: Ending, now: Timestamp) -> Ownership {
        self.apply(&Finish::new(owner(n), ending), now)
    }

    fn record(&self) -> &Record {
        self.0.as_ref().expect("a record")
    }

    /// A cell in each state that a claim can find, with owner 1 and fingerprint 1.
    fn in_every_state(at_most_once: bool) -> Vec<(&'static str, Self)> {
        let mut running = Self::default();
        running.claim(claim(1).fingerprint(print(1)).at_most_once(at_most_once), START);
        let ended = |ending| {
            let mut cell = running.clone();
            cell.finish(1, ending, START);
            cell
        };
        vec![
            ("completed", ended(completed())),
            ("unreplayable", ended(Ending::Completed(Completion::Unreplayable))),
            ("failed", ended(Ending::Failed)),
            ("withdrawn", ended(Ending::Withdrawn)),
            ("unknown", ended(Ending::Unknown)),
            ("running", running),
        ]
    }
}

#[test]
fn a_free_key_is_granted_and_kept_for_lease_and_ttl() {
    let mut cell = Cell::default();
    let granted = cell.claim(claim(1).fingerprint(print(1)), START);
    assert_eq!(granted, Claimed::Granted(Grant::new(START.as_micros(), 1, print(1), false)));
    assert_eq!(cell.record().expires_at, START.after(LEASE + TTL));
    cell.finish(1, Ending::Failed, START.after(LEASE));
    assert_eq!(cell.record().expires_at, START.after(LEASE + TTL), "the TTL, counted from the ending");
}

#[test]
fn claims_by_the_table() {
    for at_most_once in [false, true] {
        for (state, cell) in Cell::in_every_state(at_most_once) {
            for (print, same) in [(print(1), true), (None, true), (print(2), false)] {
                for reconciling in [false, true] {
                    let before = cell.clone();
                    let mut cell = cell.clone();
                    let answer = cell.claim(claim(2).fingerprint(print).reconciling(reconciling), START);
                    let case = format!("{state}, same {same}, at most once {at_most_once}, reconciling {reconciling}");
                    let granted = |attempt, after_unknown| match &answer {
                        Claimed::Granted(grant) => (grant.attempt, grant.after_unknown) == (attempt, after_unknown),
                        _ => false,
                    };
                    let refused = !matches!(answer, Claimed::Granted(_));
                    let as_expected = match (state, same) {
                        ("failed" | "withdrawn", false) => granted(1, false),
                        (_, false) => answer == Claimed::Reused,
                        ("completed" | "unreplayable", true) => {
                            answer == Claimed::Completed(before.record().completed(START).expect("it is"))
                        }
                        ("failed", true) => granted(2, false),
                        ("withdrawn", true) => granted(1, false),
                        ("unknown", true) if at_most_once && !reconciling => answer == Claimed::indeterminate(1),
                        ("unknown", true) => granted(2, true),
                        _ => answer == Claimed::running(LEASE, Duration::ZERO, self::print(1)),
                    };
                    assert!(as_expected, "{case}: {answer:?}");
                    assert!(!refused || cell.0 == before.0, "{case}: refused and untouched");
                    assert!(refused || cell.record().fence > before.record().fence, "{case}: the fence rises");
                }
            }
        }
    }
}

#[test]
fn a_lease_that_is_over_counts_as_unknown() {
    let over = START.after(LEASE);
    let just_before = Timestamp::from_micros(over.as_micros() - 1);
    let (_, running) = Cell::in_every_state(false).pop().expect("running");
    assert!(matches!(running.clone().claim(claim(2), just_before), Claimed::Running { .. }));
    assert!(matches!(running.clone().claim(claim(2), over), Claimed::Granted(grant) if grant.after_unknown));
    assert_eq!(running.clone().claim(claim(2).at_most_once(true), over), Claimed::indeterminate(1));
    assert_eq!(running.clone().claim(claim(2).fingerprint(print(2)), over), Claimed::Reused);
}

#[test]
fn a_lapsed_or_unknown_record_is_its_last_owners_until_another_takes_over() {
    let late = START.after(LEASE * 2);
    for ending in [None, Some(Ending::Failed), Some(Ending::Withdrawn), Some(Ending::Unknown)] {
        let mut cell = Cell::default();
        cell.claim(claim(1), START);
        if let Some(ending) = ending.clone() {
            cell.finish(1, ending, START);
        }
        let mut taken = cell.clone();
        assert_eq!(cell.finish(1, completed(), late), Ownership::Held, "{ending:?}: a late success is recorded");
        assert!(matches!(cell.claim(claim(2), late), Claimed::Completed(_)));
        assert!(matches!(taken.claim(claim(2), late), Claimed::Granted(_)));
        let before = taken.clone();
        assert_eq!(taken.finish(1, completed(), late), Ownership::Lost);
        assert_eq!(taken.apply(Renew::new(owner(1)), late), Ownership::Lost);
        assert_eq!(taken.0, before.0, "a former owner changes nothing");
    }
}

#[test]
fn withdrawing_leaves_what_was_known_before() {
    let mut cell = Cell::default();
    cell.claim(claim(1), START);
    cell.finish(1, Ending::Unknown, START);
    cell.claim(claim(2), START);
    cell.finish(2, Ending::Withdrawn, START);
    assert_eq!((&cell.record().state, cell.record().attempt), (&State::Unknown, 1));
    cell.claim(claim(3), START);
    cell.finish(3, Ending::Failed, START);
    assert_eq!((&cell.record().state, cell.record().attempt), (&State::Failed, 2));
}

#[test]
fn a_withdrawn_claim_takes_with_it_what_it_brought() {
    let mut cell = Cell::default();
    cell.claim(claim(1), START);
    cell.finish(1, Ending::Unknown, START);
    let short = Claim::new(owner(2), LEASE, Duration::from_micros(5));
    cell.claim(short.fingerprint(print(2)).at_most_once(true).reconciling(true), START);
    assert_eq!((cell.record().fingerprint, cell.record().at_most_once), (print(2), true));
    cell.finish(2, Ending::Withdrawn, START);
    assert_eq!((cell.record().fingerprint, cell.record().at_most_once), (None, false));
    assert!(cell.record().expires_at >= START.after(TTL), "a withdrawn claim does not shorten the retention");
    cell.claim(claim(3).fingerprint(print(3)), START);
    cell.finish(3, Ending::Unknown, START);
    cell.claim(claim(4).fingerprint(print(3)), START);
    cell.finish(4, Ending::Withdrawn, START);
    assert_eq!(cell.record().fingerprint, print(3), "what another owner set stays");
}

#[test]
fn settling_needs_no_live_lease_and_the_record_that_was_loaded() {
    let settle = |cell: &Cell, settlement| Settle::new(cell.record(), owner(9), settlement);
    for (state, cell) in Cell::in_every_state(true) {
        for settlement in [Settlement::Failed, Settlement::Forgotten, Settlement::Completed(Completion::Unreplayable)] {
            let mut cell = cell.clone();
            let before = cell.clone();
            let mut stale = settle(&cell, settlement.clone());
            stale.fence -= 1;
            assert_eq!(cell.apply(stale, START), Settled::Changed, "{state}");
            let answer = cell.apply(settle(&before, settlement.clone()), START);
            if state == "running" {
                assert_eq!(answer, Settled::running(LEASE));
                assert_eq!(cell.0, before.0);
                assert_eq!(cell.apply(settle(&before, settlement.clone()), START.after(LEASE)), Settled::Applied);
            }
            let record = cell.record().clone();
            let blank = before.record().attempt == 0 && settlement == Settlement::Failed;
            assert_eq!(record.is_blank(), blank || settlement == Settlement::Forgotten, "{state}");
            if settlement == Settlement::Forgotten {
                assert_eq!((record.fingerprint, record.at_most_once), (None, false), "{state}");
            }
            assert!(record.fence > before.record().fence, "{state}");
            assert_eq!(
                cell.finish(1, completed(), START),
                Ownership::Lost,
                "{state}: the previous owner lost the record"
            );
            assert_eq!(cell.apply(settle(&before, settlement), START), Settled::Applied, "{state}: sent again");
            assert_eq!(cell.0, Some(record), "{state}");
        }
    }
    let mut states = Cell::in_every_state(false).into_iter();
    let (_, running) = states.find(|(state, _)| *state == "running").expect("it is one");
    let of_nothing = Settle::new(running.record(), owner(9), Settlement::Failed);
    assert_eq!(Cell::default().apply(of_nothing, START), Settled::Changed);
    // A late success under the fencing token that the operator saw.
    let mut done = running.clone();
    done.finish(1, completed(), START.after(LEASE));
    let late = Settle::new(running.record(), owner(9), Settlement::Failed);
    assert_eq!(done.apply(late, START.after(LEASE)), Settled::Changed);
}

#[test]
fn a_settled_record_is_kept_for_the_ttl_and_follows_no_unknown_outcome() {
    let later = START.after(LEASE);
    let mut cell = Cell::default();
    for n in [1, 2] {
        cell.claim(claim(n), START);
        cell.finish(n, Ending::Unknown, START);
    }
    assert!(cell.record().after_unknown);
    let settle = Settle::new(cell.record(), owner(9), Settlement::Failed);
    assert_eq!(cell.apply(settle, later), Settled::Applied);
    assert_eq!(cell.record().expires_at, later.after(TTL));
    assert!(!cell.record().after_unknown);
}

#[test]
fn fences_rise_after_the_record_was_forgotten() {
    let mut cell = Cell::default();
    cell.claim(claim(1), START);
    let fence = cell.record().fence;
    let mut forgotten = Cell::default();
    forgotten.claim(claim(2), START.after(LEASE + TTL));
    assert!(forgotten.record().fence > fence);
    cell.claim(claim(2), Timestamp::from_micros(1));
    assert_eq!(cell.record().fence, fence, "a clock set back grants nothing under a live lease");
    cell.finish(1, Ending::Failed, Timestamp::from_micros(1));
    cell.claim(claim(2), Timestamp::from_micros(2));
    assert!(cell.record().fence > fence, "the fencing token rises even then");
}

#[test]
fn times_without_end_are_a_hundred_years() {
    let mut cell = Cell::default();
    cell.claim(Claim::new(owner(1), Duration::MAX, Duration::MAX), START);
    assert_eq!(cell.record().expires_at, START.after(CENTURY * 2));
    assert!(matches!(cell.claim(claim(2), START.after(TTL * 1_000_000)), Claimed::Running { .. }));
    let longer = CENTURY + Duration::from_nanos(1);
    let claim = Claim::new(owner(1), longer, longer);
    assert_eq!((claim.lease, claim.ttl), (CENTURY, CENTURY));
}

#[test]
fn a_renewal_extends_the_owners_lease_and_retention() {
    let half = START.after(LEASE / 2);
    let mut cell = Cell::default();
    cell.claim(claim(1), START);
    assert_eq!(cell.apply(Renew::new(owner(1)), half), Ownership::Held);
    assert_eq!(cell.record().state, State::running(START, half.after(LEASE)));
    assert_eq!(cell.record().expires_at, half.after(LEASE + TTL));
    assert_eq!(cell.apply(Renew::new(owner(2)), half), Ownership::Lost, "another call");
    cell.finish(1, Ending::Failed, half);
    let ended = cell.clone();
    assert_eq!(cell.apply(Renew::new(owner(1)), half), Ownership::Lost, "a run that ended has no lease");
    assert_eq!(cell.0, ended.0);
}

#[test]
fn a_copy_of_a_claim_whose_run_ended_is_not_granted() {
    for ending in [Ending::Failed, Ending::Withdrawn, Ending::Unknown] {
        let mut cell = Cell::default();
        cell.claim(claim(1), START);
        cell.finish(1, ending.clone(), START);
        let ended = cell.clone();
        let attempt = ended.record().attempt;
        assert_eq!(cell.claim(claim(1), START), Claimed::indeterminate(attempt), "{ending:?}");
        assert_eq!(cell.0, ended.0, "{ending:?}");
        assert!(matches!(cell.claim(claim(2), START), Claimed::Granted(_)), "{ending:?}: another claim is");
    }
}

#[test]
fn an_ending_with_a_fence_ends_only_the_run_of_that_fence() {
    let finish = |fence| Finish::new(owner(1), Ending::Failed).fence(Some(fence));
    let mut cell = Cell::default();
    cell.claim(claim(1), START);
    let (before, fence) = (cell.clone(), cell.record().fence);
    for other in [fence - 1, fence + 1] {
        assert_eq!(cell.apply(&finish(other), START), Ownership::Lost);
        assert_eq!(cell.0, before.0);
    }
    assert_eq!(cell.apply(&finish(fence), START), Ownership::Held);
    assert_eq!(cell.record().state, State::Failed);
}

#[test]
fn steps_are_saved_in_order_and_only_by_the_owner_of_a_running_record() {
    let step = |name: &str| Step::new(name, Payload::from_bytes(&b"\x01\x01\x001"[..]));
    let save = |n, index| SaveStep::new(owner(n), index, step("charge"));
    let mut cell = Cell::default();
    assert_eq!(cell.apply(&save(1, 0), START), Ownership::Lost, "without a record");
    cell.claim(claim(1).fingerprint(print(1)), START);
    let empty = cell.clone();
    for refused in [save(1, 1), save(2, 0)] {
        assert_eq!(cell.apply(&refused, START), Ownership::Lost);
        assert_eq!(cell.0, empty.0);
    }
    assert_eq!(cell.apply(&save(1, 0), START), Ownership::Held);
    assert_eq!(cell.record().steps.count(), 1);
    let saved = cell.clone();
    assert_eq!(cell.apply(&save(1, 0), START), Ownership::Held, "sent again");
    assert_eq!(cell.0, saved.0, "sent again");
    cell.finish(1, Ending::Failed, START);
    assert_eq!(cell.apply(&save(1, 1), START), Ownership::Lost, "the run ended");
    assert_eq!(cell.claim(claim(2).fingerprint(print(2)), START), Claimed::Reused, "the steps are of another request");
    let Claimed::Granted(grant) = cell.claim(claim(2).fingerprint(print(1)), START) else { panic!("the same request") };
    assert_eq!(grant.steps.count(), 1);
    cell.finish(2, completed(), START);
    assert_eq!(cell.record().steps.count(), 0, "a success needs no steps");
}

/// Random walks: three owners, two fingerprints, every verb, a clock that steps both ways within the retention.
#[test]
fn the_laws_hold_on_random_walks() {
    for seed in 0..2_000_u64 {
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut roll = move |sides: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % sides
        };
        let (mut cell, mut now, mut fence) = (Cell::default(), START, 0);
        for step in 0..60 {
            let before = cell.clone();
            let n = roll(3) as u8 + 1;
            let owns = before.0.as_ref().is_some_and(|record| record.owner == owner(n));
            let done = before.0.as_ref().and_then(|record| record.completed(now));
            let context = format!("seed {seed} step {step} owner {n} at {now:?} on {before:?}");
            match roll(6) {
                0..=2 => {
                    let print = [None, print(1), print(2)][roll(3) as usize];
                    let request = claim(n).fingerprint(print).at_most_once(roll(4) == 0);
                    let answer = cell.claim(request, now);
                    if let Claimed::Granted(grant) = &answer {
                        assert!(grant.fence > fence || (owns && grant.fence == fence), "{context}");
                        assert!(done.is_none(), "done stays done: {context}");
                        fence = grant.fence;
                    } else {
                        assert_eq!(cell.0, before.0, "{context}");
                    }
                    let after = cell.clone();
                    assert_eq!(
                        std::mem::discriminant(&cell.claim(request, now)),
                        std::mem::discriminant(&answer),
                        "{context}"
                    );
                    assert_eq!(cell.0, after.0, "sent again: {context}");
                }
                3 => {
                    let held = cell.apply(Renew::new(owner(n)), now);
                    assert!(owns || (held == Ownership::Lost && cell.0 == before.0), "{context}");
                }
                4 => {
                    let ending =
                        [Ending::Failed, Ending::Unknown, completed(), Ending::Withdrawn][roll(4) as usize].clone();
                    let held = cell.finish(n, ending.clone(), now);
                    assert!(owns || (held == Ownership::Lost && cell.0 == before.0), "{context}");
                    assert!(done.is_none() || cell.0 == before.0, "one result: {context}");
                    let after = cell.clone();
                    assert_eq!(cell.finish(n, ending, now), held, "sent again: {context}");
                    assert_eq!(cell.0, after.0, "sent again: {context}");
                }
                _ => {
                    let by = Duration::from_secs(roll(20));
                    now =
                        if roll(4) == 0 { Timestamp::from_micros(now.as_micros() - 5_000_000) } else { now.after(by) };
                }
            }
        }
    }
}
