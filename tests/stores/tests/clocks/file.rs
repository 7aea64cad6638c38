//! SQLite has no server: there the host's clock counts, which is one for all of its processes. This is what it comes to where it
//! is not; and it shows that the other tests could fail.

use std::time::Duration;

use idem_store_tests::Place;

use crate::clerk::{Answer, Clerk};

const LONG: Duration = Duration::from_secs(60);
/// So that the record is there five hours later.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn sqlite_goes_by_the_hosts_clock() {
    let site = Place::Sqlite.site();
    let (mut honest, mut ahead) = (Clerk::honest(&site), Clerk::ahead(&site));
    let Answer::Granted { fence, .. } = honest.claim("lease", LONG, DAY) else { panic!("it is free") };
    let early = ahead.claim("lease", LONG, DAY);
    assert!(
        matches!(early, Answer::Granted { fence: next, attempt: 2 } if next > fence),
        "taken over early: {early:?}"
    );
    assert!(!honest.finish("lease"), "it is no longer its own");
    assert!(ahead.finish("lease"));
    assert!(matches!(honest.claim("lease", LONG, DAY), Answer::Done { left } if left > DAY));
    let mut behind = Clerk::behind(&site);
    assert!(matches!(honest.claim("other", LONG, DAY), Answer::Granted { .. }));
    assert!(matches!(behind.claim("other", LONG, DAY), Answer::Running { left } if left > LONG));
}
