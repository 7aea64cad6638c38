//! SQLite has no server: there the host's clock counts, which is one for all of its processes. This is what it comes to where it
//! is not; and it shows that the other tests could fail.

use std::time::Duration;

use idem_store_tests::Place;

use crate::clerk::{Answer, Clerk, HOURS};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn sqlite_goes_by_the_hosts_clock() {
    let site = Place::Sqlite.site();
    let (mut honest, mut ahead) = (Clerk::honest(&site), Clerk::ahead(&site));
    let Answer::Granted { fence, .. } = honest.claim("lease", LONG, LONG) else { panic!("it is free") };
    let early = ahead.claim("lease", LONG, LONG);
    assert!(matches!(early, Answer::Granted { fence: next, attempt: 2 } if next > fence), "taken over early: {early:?}");
    assert!(!honest.finish("lease"), "it is no longer its own");
    assert!(ahead.finish("lease"));
    assert!(matches!(honest.claim("lease", LONG, LONG), Answer::Done { left } if left > HOURS));
    let mut behind = Clerk::behind(&site);
    assert!(matches!(honest.claim("other", LONG, LONG), Answer::Granted { .. }));
    assert!(matches!(behind.claim("other", LONG, LONG), Answer::Running { left } if left > LONG));
}
