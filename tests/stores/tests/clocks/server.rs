//! Redis and PostgreSQL: nobody's clock counts but the server's.

use std::thread::sleep;
use std::time::{Duration, Instant};

use idem_store_tests::{Place, Site};

use crate::clerk::{Answer, Clerk};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(400);

#[test]
fn redis_times_leases_and_results_by_its_own_clock() {
    by_its_own_clock(&Place::Redis.site());
}

#[test]
fn postgres_times_leases_and_results_by_its_own_clock() {
    by_its_own_clock(&Place::Postgres.site());
}

/// Whoever of the three owns a key, the others see the same.
fn by_its_own_clock(site: &Site) {
    let mut clerks = [Clerk::honest(site), Clerk::ahead(site), Clerk::behind(site)];
    for owner in 0..3 {
        a_lease_lasts(&mut clerks, owner);
        a_lease_is_taken_over_when_it_is_over(&mut clerks, owner);
        a_result_is_replayed_until_it_expires(&mut clerks, owner);
    }
    fences_rise(&mut clerks);
}

fn granted(answer: Answer) -> (u64, u32) {
    match answer {
        Answer::Granted { fence, attempt } => (fence, attempt),
        other => panic!("{other:?}"),
    }
}

fn a_lease_lasts(clerks: &mut [Clerk; 3], owner: usize) {
    let (key, began) = (format!("long{owner}"), Instant::now());
    granted(clerks[owner].claim(&key, LONG, LONG));
    for clerk in &mut *clerks {
        let answer = clerk.claim(&key, LONG, LONG);
        let Answer::Running { left } = answer else { panic!("{answer:?}") };
        assert!(left <= LONG && LONG <= left + began.elapsed(), "{left:?} of {LONG:?}");
    }
}

fn a_lease_is_taken_over_when_it_is_over(clerks: &mut [Clerk; 3], owner: usize) {
    for other in (0..3).filter(|other| *other != owner) {
        let (key, began) = (format!("short{owner}{other}"), Instant::now());
        let (fence, _) = granted(clerks[owner].claim(&key, SHORT, LONG));
        let answer = clerks[other].claim(&key, LONG, LONG);
        let Answer::Running { left } = answer else { panic!("{answer:?} after {:?}", began.elapsed()) };
        assert!(left <= SHORT);
        sleep(left);
        let (next, attempt) = granted(clerks[other].claim(&key, LONG, LONG));
        assert!(began.elapsed() >= SHORT, "taken over after {:?}", began.elapsed());
        assert!(attempt == 2 && next > fence, "{next} after {fence}");
    }
}

fn a_result_is_replayed_until_it_expires(clerks: &mut [Clerk; 3], owner: usize) {
    let key = format!("result{owner}");
    let (fence, _) = granted(clerks[owner].claim(&key, LONG, SHORT));
    let began = Instant::now();
    assert!(clerks[owner].finish(&key));
    let mut longest = Duration::ZERO;
    for clerk in &mut *clerks {
        let answer = clerk.claim(&key, LONG, SHORT);
        let Answer::Done { left } = answer else { panic!("{answer:?} after {:?}", began.elapsed()) };
        assert!(left <= SHORT && SHORT <= left + began.elapsed(), "{left:?} of {SHORT:?}");
        longest = longest.max(left);
    }
    sleep(longest);
    let (next, attempt) = granted(clerks[(owner + 1) % 3].claim(&key, LONG, SHORT));
    assert!(began.elapsed() >= SHORT, "gone after {:?}", began.elapsed());
    assert!(attempt == 1 && next > fence, "{next} after {fence}");
}

fn fences_rise(clerks: &mut [Clerk; 3]) {
    let brief = Duration::from_millis(20);
    let mut last = 0;
    for clerk in [1, 2, 0, 2, 1, 0, 1] {
        let (fence, _) = loop {
            match clerks[clerk].claim("fences", brief, LONG) {
                Answer::Running { left } => sleep(left),
                answer => break granted(answer),
            }
        };
        assert!(fence > last, "{fence} after {last}");
        last = fence;
    }
}
