use std::time::Duration;

use super::*;
use crate::record::Completion;

const OWNER: Owner = Owner::from_bytes([1; 16]);
const OTHER: Owner = Owner::from_bytes([2; 16]);

fn success() -> Ending {
    Ending::Completed(Completion::Unreplayable)
}

/// A pending claim and a lease that both last one second from now.
fn claim_and_lease() -> (Pending, Lease) {
    let until = Instant::now() + Duration::from_secs(1);
    (Pending { owner: OWNER, until }, Lease { owner: OWNER, fence: 1, valid_until: until, after_unknown: false })
}

fn ended(phase: &Phase, ending: Ending) -> Phase {
    let mut phase = phase.clone();
    phase.body_ended(ending);
    phase
}

/// The table "What a drop sends" in `docs/design.md`: which outcome a drop sends in each phase, and for how long.
#[test]
fn what_a_dropped_call_sends() {
    let (claim, lease) = claim_and_lease();
    let running = Phase::Running(Hold::Lease(lease));
    let unguarded = Phase::Running(Hold::Unguarded { token: OWNER, pending: None });
    let pending = Phase::Running(Hold::Unguarded { token: OWNER, pending: Some(claim) });
    let mut reclaiming = ended(&running, success());
    reclaiming.claim_sent(claim);
    let withdrawn = Some((Ending::Withdrawn, Limit::Lease));
    for (phase, sent) in [
        (Phase::Idle, None),
        (Phase::Done, None),
        (Phase::Claiming(claim), withdrawn.clone()),
        (Phase::Granted(lease), withdrawn.clone()),
        (Phase::Yielding(lease), withdrawn.clone()),
        (running.clone(), Some((Ending::Unknown, Limit::Lease))),
        (unguarded.clone(), None),
        (pending.clone(), withdrawn.clone()),
        (ended(&running, success()), Some((success(), Limit::Ttl))),
        (ended(&running, Ending::Failed), Some((Ending::Failed, Limit::Ttl))),
        (ended(&running, Ending::Unknown), Some((Ending::Unknown, Limit::Lease))),
        (ended(&Phase::Granted(lease), Ending::Withdrawn), withdrawn.clone()),
        (reclaiming, Some((success(), Limit::Ttl))),
        (ended(&unguarded, success()), Some((success(), Limit::Lease))),
        (ended(&unguarded, Ending::Failed), None),
        (ended(&pending, success()), Some((success(), Limit::Lease))),
        (ended(&pending, Ending::Failed), withdrawn.clone()),
        (ended(&pending, Ending::Unknown), withdrawn),
    ] {
        let mut dropped = phase.clone();
        let limit = dropped.dropped();
        let found = match &dropped {
            Phase::Recording(recording) => limit.map(|limit| (recording.ending.clone(), limit)),
            _ => None,
        };
        assert_eq!(found, sent, "{phase:?}");
        assert!(!dropped.is_renewed() || limit == Some(Limit::Ttl), "{phase:?}");
    }
}

#[test]
fn a_success_that_lost_its_lease_claims_with_one_new_token() {
    let (_, lease) = claim_and_lease();
    let Phase::Recording(mut recording) = ended(&Phase::Running(Hold::Lease(lease)), success()) else {
        panic!("it is to be recorded")
    };
    let now = lease.valid_until;
    assert_eq!(recording.answered(Ownership::Lost, now, || OTHER), NextStep::Reclaim(OTHER));
    let mut phase = Phase::Recording(recording);
    phase.claim_sent(Pending { owner: OTHER, until: now });
    phase.claim_refused();
    assert_eq!(phase.token(), Some(OTHER));
    let Phase::Recording(mut recording) = phase else { panic!("it is still to be recorded") };
    let unused = || panic!("all claims of a success are one");
    assert_eq!(recording.answered(Ownership::Lost, now, unused), NextStep::Reclaim(OTHER));
    assert_eq!(recording.answered(Ownership::Held, now, unused), NextStep::Recorded);
}

#[test]
fn an_unguarded_success_claims_with_the_token_of_its_first_claim() {
    let (claim, _) = claim_and_lease();
    for pending in [Some(claim), None] {
        let mut phase = ended(&Phase::Running(Hold::Unguarded { token: OWNER, pending }), success());
        assert_eq!(phase.token(), Some(OWNER));
        phase.claim_sent(claim);
        phase.claim_refused();
        assert_eq!(phase.token(), Some(OWNER));
    }
}

#[test]
fn a_withdrawal_is_sent_until_its_claim_cannot_be_granted_any_more() {
    let (claim, _) = claim_and_lease();
    let mut phase = Phase::Claiming(claim);
    phase.dropped();
    let Phase::Recording(mut recording) = phase else { panic!("it is withdrawn") };
    let before = claim.until.checked_sub(Duration::from_millis(1)).expect("a moment");
    assert_eq!(recording.answered(Ownership::Lost, before, || OTHER), NextStep::SendAgain);
    assert_eq!(recording.answered(Ownership::Lost, claim.until, || OTHER), NextStep::LeaseLost);
}

/// The phase after each event, and which lease, token and fencing token the call has in each phase.
#[test]
fn what_each_event_makes_of_a_phase() {
    let (claim, lease) = claim_and_lease();
    let recording =
        |standing| Phase::Recording(Recording { ending: success(), standing, guarded: true, ambiguous: false });
    let (granted, running) = (Phase::Granted(lease), Phase::Running(Hold::Lease(lease)));
    let unguarded = |pending| Phase::Running(Hold::Unguarded { token: OTHER, pending });
    let lost = recording(Standing::Lost { token: OWNER });
    let sent = recording(Standing::Pending(claim));
    let held = recording(Standing::Held(lease));
    let after = |phase: &Phase, event: &dyn Fn(&mut Phase)| {
        let mut phase = phase.clone();
        event(&mut phase);
        phase
    };
    assert_eq!(after(&Phase::Idle, &|phase| phase.claim_sent(claim)), Phase::Claiming(claim));
    assert_eq!(after(&lost, &|phase| phase.claim_sent(claim)), sent);
    assert_eq!(after(&Phase::Claiming(claim), &Phase::claim_refused), Phase::Idle);
    assert_eq!(after(&sent, &Phase::claim_refused), lost);
    assert_eq!(after(&Phase::Claiming(claim), &|phase| phase.claim_granted(lease)), granted);
    assert_eq!(after(&sent, &|phase| phase.claim_granted(lease)), held);
    assert_eq!(after(&granted, &Phase::yield_key), Phase::Yielding(lease));
    assert_eq!(after(&running, &Phase::yield_key), running);
    assert_eq!(after(&Phase::Idle, &|phase| phase.run_unguarded(OTHER)), unguarded(None));
    assert_eq!(after(&Phase::Claiming(claim), &|phase| phase.run_unguarded(OTHER)), unguarded(Some(claim)));
    assert_eq!(after(&granted, &Phase::body_started), running);
    assert_eq!(after(&unguarded(None), &Phase::body_started), unguarded(None));
    for (phase, has_lease, is_renewed, fence) in [
        (ended(&granted, Ending::Withdrawn), true, false, Some(1)),
        (Phase::Claiming(claim), false, false, None),
        (granted, true, true, None),
        (Phase::Yielding(lease), false, false, None),
        (running, true, true, None),
        (unguarded(Some(claim)), false, false, None),
        (held, true, true, Some(1)),
        (sent, false, false, None),
        (lost, false, false, None),
    ] {
        assert_eq!((phase.lease().is_some(), phase.is_renewed()), (has_lease, is_renewed), "{phase:?}");
        assert!(phase.token().is_some(), "{phase:?}");
        assert_eq!(phase.is_unguarded(), matches!(phase, Phase::Running(Hold::Unguarded { .. })));
        let later = lease.valid_until + Duration::from_secs(1);
        assert_eq!(after(&phase, &|phase| phase.set_valid_until(later)) != phase, has_lease, "{phase:?}");
        if let Phase::Recording(recording) = &phase {
            assert_eq!(recording.standing.fence(), fence, "{phase:?}");
        }
    }
}

#[test]
fn only_a_call_that_runs_a_body_fails_open_and_respects_an_unknown_outcome() {
    let record = Purpose::Record { token: OWNER };
    assert!(Purpose::Run.runs() && !record.runs());
    assert!(!Purpose::Run.takes_over_unknown(false) && Purpose::Run.takes_over_unknown(true));
    assert!(record.takes_over_unknown(false));
    let may_fail_open = |purpose: Purpose| {
        [(true, true), (true, false), (false, false)]
            .map(|(fail_open, at_most_once)| purpose.may_fail_open(fail_open, at_most_once))
    };
    assert_eq!((may_fail_open(Purpose::Run), may_fail_open(record)), ([false, true, false], [false; 3]));
    assert_eq!((record.token(None, || OTHER), record.token(Some(OTHER), || OTHER)), (OWNER, OWNER));
    assert_eq!((Purpose::Run.token(None, || OTHER), Purpose::Run.token(Some(OWNER), || OTHER)), (OTHER, OWNER));
}
