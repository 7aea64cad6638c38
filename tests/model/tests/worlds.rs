//! Every world to its end: no state within its bound is left out. `IDEM_MODEL=long` takes all pairs of policies, longer
//! leases, and a third call that does all that the others do.

use std::time::Instant;

use idem_model::{Event, Law, Mistake, Policy, World};
use stateright::{Checker, HasDiscoveries, Model};

const PLAIN: Policy = Policy::PLAIN;
const ONCE: Policy = Policy::ONCE;
const ASKS: Policy = Policy::ASKS;
const ONCE_ASKS: Policy = Policy::ONCE_ASKS;

/// What any two calls meet.
const ANY: &[Event] =
    &[Event::Replayed, Event::Waits, Event::NextAttempt, Event::LateClaim, Event::GrantedAfterDeletion];
/// What they meet where a lapsed key runs again.
const TAKEN: &[Event] = &[Event::TakenOver, Event::GhostClaim, Event::LateSuccess, Event::Lost, Event::LateRenewal];
/// What they meet where a lost success comes back.
const BACK: &[Event] = &[Event::CameBack, Event::CameBackTooLate];

fn explore(world: World) {
    let (name, began) = (world.name(), Instant::now());
    let checker = world.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!(
        "model: {name}: {} states, {} steps between them, {} deep, {} events met, {:.1?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        checker.model().met().count(),
        began.elapsed(),
    );
    let discoveries = checker.discoveries();
    for (_, law) in Law::ALL {
        if let Some(path) = discoveries.get(law) {
            panic!("{name} breaks \"{law}\":\n{path}{:#?}", path.last_state());
        }
    }
    let missed: Vec<_> = checker.model().missed().collect();
    assert!(missed.is_empty(), "{name} never meets {missed:?}");
    checker.assert_properties();
}

fn is_long() -> bool {
    std::env::var("IDEM_MODEL").is_ok_and(|wanted| wanted == "long")
}

#[test]
fn calls_without_options() {
    explore(World::new("two calls", &[PLAIN, PLAIN]).meeting(ANY).meeting(TAKEN).meeting(BACK));
    explore(
        World::new("two calls of other times", &[PLAIN.lasting(2, 1), PLAIN.lasting(1, 3)])
            .meeting(TAKEN)
            .meeting(BACK),
    );
    let three = World::new("three calls", &[PLAIN, PLAIN, PLAIN]).without_ways_back().without_renewals();
    explore(three.meeting(ANY).meeting(&[Event::TakenOver, Event::WithdrawnAfterUnknown]));
}

#[test]
fn at_most_once() {
    let refused = &[Event::Indeterminate, Event::LateSuccess];
    explore(World::new("at most once, both", &[ONCE, ONCE]).meeting(ANY).meeting(refused));
    explore(
        World::new("at most once, one of two", &[ONCE, PLAIN])
            .meeting(ANY)
            .meeting(TAKEN)
            .meeting(refused)
            .meeting(BACK),
    );
    let three = World::new("at most once, one of three", &[PLAIN, PLAIN, ONCE]).without_ways_back().without_renewals();
    // A copy of a claim and one of its ending, both so late that others had the key and lost it, hide nothing of those.
    explore(three.meeting(ANY).meeting(refused).meeting(&[Event::TakenOver, Event::GhostClaim]));
}

#[test]
fn reconciling() {
    let asked = &[Event::AskedAndRan, Event::AskedTooLong, Event::WithdrawnAfterUnknown];
    explore(World::new("one asks", &[ASKS, PLAIN]).meeting(ANY).meeting(TAKEN).meeting(asked).meeting(BACK));
    explore(
        World::new("one asks beside at most once", &[ASKS, ONCE])
            .meeting(TAKEN)
            .meeting(asked)
            .meeting(&[Event::Indeterminate]),
    );
    explore(World::new("both ask, at most once", &[ONCE_ASKS, ONCE_ASKS]).meeting(TAKEN).meeting(asked));
    let three = World::new("one of three asks", &[ONCE, ONCE, ASKS]).without_ways_back().without_renewals();
    explore(three.meeting(asked).meeting(&[Event::TakenOver, Event::Indeterminate]));
}

#[test]
fn fingerprints() {
    let reused = &[Event::Reused, Event::Replayed];
    explore(World::new("two requests with steps", &[PLAIN.of(1), PLAIN.of(2)]).steps(1).meeting(reused));
    explore(World::new("a fingerprint on one side", &[PLAIN.of(1), PLAIN]).meeting(ANY).meeting(TAKEN).meeting(BACK));
    let three = World::new("two requests and none", &[PLAIN.of(1), PLAIN.of(2), PLAIN]);
    explore(
        three
            .without_ways_back()
            .without_renewals()
            .meeting(ANY)
            .meeting(reused)
            .meeting(&[Event::WithdrawnAfterUnknown]),
    );
}

#[test]
fn steps() {
    let steps = World::new("two calls with steps", &[PLAIN, PLAIN]).steps(1).without_ways_back();
    explore(steps.meeting(ANY).meeting(TAKEN).meeting(&[Event::StepsReplayed, Event::StepLost]));
    let steps = World::new("one call with two steps", &[PLAIN]).steps(2);
    explore(steps.meeting(&[Event::StepLost]));
}

#[test]
fn an_operator() {
    let operator = &[Event::Settled, Event::SettleRefused, Event::SettleOutdated];
    let plain = World::new("an operator", &[PLAIN, PLAIN]).operated().without_ways_back().without_renewals();
    explore(plain.meeting(ANY).meeting(operator).meeting(&[Event::TakenOver]));
    let once = World::new("an operator, at most once", &[ONCE, ONCE]).operated().without_ways_back();
    explore(once.meeting(ANY).meeting(operator).meeting(&[Event::Indeterminate]));
}

#[test]
fn a_clock_that_is_set() {
    let plain = World::new("a clock that is set", &[PLAIN, PLAIN]).clock_steps(1).without_ways_back();
    explore(plain.meeting(ANY).meeting(TAKEN));
    let once = World::new("a clock that is set, at most once", &[ONCE, ASKS]).clock_steps(1).without_renewals();
    explore(once.meeting(ANY).meeting(&[Event::Indeterminate, Event::AskedAndRan]));
}

/// What a checker that finds nothing would not notice.
#[test]
fn each_mistake_breaks_its_law() {
    for (mistake, calls, law) in [
        (Mistake::LeaseFromTheAnswer, [PLAIN.lasting(2, 2); 2], Law::Belief),
        (Mistake::LostLeaseRenewed, [PLAIN, PLAIN], Law::Belief),
        (Mistake::DropWithdraws, [ONCE, ONCE], Law::AtMostOnce),
        (Mistake::UnknownIsFailed, [ONCE, ONCE], Law::AtMostOnce),
    ] {
        let world = World::new("a mistake", &calls).mistaken(mistake);
        let checker = world.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let broken: Vec<_> = checker.discoveries().into_keys().collect();
        let expected = Law::ALL.into_iter().find(|(each, _)| *each == law).map(|(_, name)| name);
        assert_eq!(broken, Vec::from_iter(expected), "{mistake:?}");
    }
}

/// Minutes, and some gigabytes.
#[test]
fn all_pairs() {
    if !is_long() {
        return;
    }
    let policies = [PLAIN, ONCE, ASKS, ONCE_ASKS];
    for (number, one) in policies.into_iter().enumerate() {
        for other in policies.into_iter().skip(number) {
            for (one, other) in [
                (one, other),
                (one.of(1), other.of(1)),
                (one.of(1), other.of(2)),
                (one.of(1), other),
                (one, other.of(1)),
                (one.lasting(2, 3), other.lasting(2, 3)),
                (one.lasting(2, 1), other.lasting(1, 3)),
                (one.lasting(1, 3), other.lasting(2, 1)),
            ] {
                explore(World::new("a pair", &[one, other]));
            }
            explore(World::new("a pair with steps", &[one, other]).steps(1));
            explore(World::new("a pair and a clock that is set", &[one, other]).clock_steps(1));
        }
    }
}

/// Minutes, and some gigabytes.
#[test]
fn three_of_all() {
    if !is_long() {
        return;
    }
    for three in [[PLAIN; 3], [ONCE; 3], [ASKS; 3], [PLAIN, ONCE, ASKS], [PLAIN.of(1), ONCE.of(2), ASKS]] {
        explore(World::new("three", &three).without_ways_back());
    }
    for three in [[PLAIN; 3], [ONCE; 3]] {
        explore(World::new("three that come back", &three).without_renewals());
    }
    for two in [[PLAIN; 2], [ONCE; 2], [ASKS, ONCE], [PLAIN.of(1), PLAIN.of(2)]] {
        explore(World::new("an operator beside two", &two).operated());
    }
    explore(World::new("two with two steps", &[PLAIN, PLAIN]).steps(2));
}
