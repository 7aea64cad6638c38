//! However many wait for a key in a process, one of them asks the store.

use idem::Idem;
use idem_store_tests::{on_each_store, Site};

use crate::pair::{attach, key, run, Pair};

const CALLERS: usize = 50;
/// So often was the store asked before the call ends.
const ASKED: usize = 5;

on_each_store! {
    of_fifty_callers_one_asks_the_store
    of_fifty_callers_one_asks_the_store_that_gives_no_hints
    callers_that_share_nothing_ask_each_for_itself
}

fn of_fifty_callers_one_asks_the_store(site: Site) {
    run(async {
        assert_eq!(askers(&site.push(), true, 1).await, 1);
    });
}

fn of_fifty_callers_one_asks_the_store_that_gives_no_hints(site: Site) {
    run(async {
        assert_eq!(askers(&site, false, 1).await, 1);
    });
}

/// Each call that asks has a token of its own, and this sees it.
fn callers_that_share_nothing_ask_each_for_itself(site: Site) {
    run(async {
        assert_eq!(askers(&site, false, 3).await, 3);
    });
}

/// How many of the callers have asked the store, when they wait in so many `Idem`s.
async fn askers(site: &Site, hints: bool, idems: usize) -> usize {
    let pair = Pair::new(site, hints).await;
    let (end, owner) = pair.own(1).await;
    let waiting: Vec<_> = (0..idems).map(|_| Idem::new(pair.waiter.clone())).collect();
    let callers: Vec<_> = (0..CALLERS).map(|n| tokio::spawn(attach(waiting[n % idems].clone(), 1))).collect();
    pair.waiter.claimed(&key(1), ASKED * idems).await;
    end.add_permits(1);
    owner.await.unwrap();
    for caller in callers {
        caller.await.unwrap();
    }
    let notes = pair.waiter.of(&key(1));
    assert!(notes.claims > ASKED * idems, "those that waited heard of it by asking: {notes:?}");
    notes.owners.len()
}
