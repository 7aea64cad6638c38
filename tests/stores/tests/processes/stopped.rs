//! A process that stands still for longer than its lease, while its bodies run.

use idem_store_tests::{on_each_store, Site};

use crate::slow::{all, another, answers, effects, in_the_middle, runs, KEYS};

on_each_store! {
    a_stopped_process_is_taken_over_and_changes_nothing_when_it_goes_on
    a_stopped_process_hears_that_its_lease_is_gone
}

fn a_stopped_process_is_taken_over_and_changes_nothing_when_it_goes_on(site: Site) {
    taken_over(&site, false);
}

fn a_stopped_process_hears_that_its_lease_is_gone(site: Site) {
    taken_over(&site, true);
}

fn taken_over(site: &Site, mind: bool) {
    let (mut stopped, first) = in_the_middle(site, false, mind);
    stopped.pause();
    let said = another(site, false);
    assert_eq!(answers(&said), all(|n| format!("Executed b{n}")));
    let second = runs(&said);
    assert_eq!(second.len(), KEYS, "key 0 was done");
    for ((attempt, fence), (_, before)) in second.iter().zip(&first[1..]) {
        assert!(*attempt == 2 && fence > before, "{second:?} after {first:?}");
    }
    // Its bodies may end at once when it goes on.
    stopped.order("end");
    stopped.resume();
    assert_eq!(answers(&stopped.all()), all(|n| format!("Replayed b{n}"))[1..], "not its own results");
    // Nobody runs any more.
    assert_eq!(answers(&another(site, false)), all(|n| format!("Replayed b{n}")));
    let twice = (1..=KEYS).flat_map(|n| [format!("{n} a"), format!("{n} b")]);
    assert_eq!(effects(site), ["0 a".into()].into_iter().chain(twice).collect::<Vec<_>>());
}
