//! Every named point, on every store, under every policy.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;

use idem_store_tests::{Place, Site};

use crate::audit::audit;
use crate::bench::{Bench, Seen, Told};
use crate::figures::Table;
use crate::plan::{At, Case, Strike};
use crate::scene::{Blow, How, Policy, Scene, Spot};

const PLACES: [Place; 3] = [Place::Sqlite, Place::Redis, Place::Postgres];
/// On each store, at once. They mostly wait.
const WORKERS: usize = 10;
/// How often a key's story is begun anew, when a busy machine made a store too slow for a short lease.
const TRIES: usize = 6;

/// A law that did not hold.
#[derive(Debug)]
pub(crate) struct Broken(pub(crate) String);

/// Lets all of it happen; says what came of it, and which laws did not hold.
pub(crate) fn happen(cases: Vec<Case>) -> (Table, Vec<Broken>) {
    // One test's processes at a time are enough for a machine.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (table, broken) = (Mutex::new(Table::new()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for place in PLACES {
            let queue: VecDeque<Case> = cases.iter().filter(|case| case.place == place).cloned().collect();
            let (table, broken) = (&table, &broken);
            scope.spawn(move || {
                if queue.is_empty() {
                    return;
                }
                let (site, queue) = (place.hasty_site(), Mutex::new(queue));
                drop(Bench::new(&site)); // it makes the tables
                thread::scope(|scope| {
                    for _ in 0..WORKERS {
                        scope.spawn(|| match place {
                            // A file has one writer at a time, and a process that stands still may be it.
                            Place::Sqlite => work(&place.hasty_site(), &queue, table, broken),
                            Place::Redis | Place::Postgres => work(&site, &queue, table, broken),
                        });
                    }
                });
            });
        }
    });
    (table.into_inner().unwrap(), broken.into_inner().unwrap())
}

fn work(site: &Site, queue: &Mutex<VecDeque<Case>>, table: &Mutex<Table>, broken: &Mutex<Vec<Broken>>) {
    let mut bench = Bench::new(site);
    loop {
        let Some(case) = queue.lock().unwrap().pop_front() else { return };
        let of = format!("{:?} {:?}", case.place, case.policy);
        let mut tries = 0;
        let seen = loop {
            match bench.run(&case) {
                Ok(seen) => break Some(seen),
                Err(seen) if tries == TRIES || seen.told.iter().any(|(_, told)| *told == Told::Early) => {
                    broken.lock().unwrap().push(Broken(format!(
                        "{case}\n  never came to its point, or was answered too early: {seen:?}"
                    )));
                    break None;
                }
                Err(_) => table.lock().unwrap().entry(of.clone()).or_default().missed(),
            }
            tries += 1;
        };
        let Some(seen) = seen else { continue };
        table.lock().unwrap().entry(of).or_default().add(&case, &seen);
        if let Err(law) = audit(&case, &seen) {
            broken.lock().unwrap().push(Broken(format!("{case}\n  {law}\n  {}", story(&seen))));
        }
    }
}

fn story(seen: &Seen) -> String {
    let told: Vec<String> = seen.told.iter().map(|(who, told)| format!("{who:?}: {told:?}")).collect();
    let effects: Vec<String> = seen.effects.iter().map(ToString::to_string).collect();
    let Seen { key, victims, mended, waited, record, .. } = seen;
    format!(
        "{key}, victims {victims:?}, effects {effects:?}, mended {mended:?}, waited {waited:?}, {record}\n    {}",
        told.join("\n    ")
    )
}

pub(crate) fn report(what: &str, table: &Table, broken: &[Broken]) {
    for (of, figures) in table {
        println!("{what}, {of}: {figures}");
    }
    let broken: Vec<&str> = broken.iter().map(|Broken(law)| &**law).collect();
    assert!(broken.is_empty(), "{} stories broke a law:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn every_point_on_every_store_under_every_policy() {
    let only = std::env::var("IDEM_ONLY").unwrap_or_default();
    let cases: Vec<Case> = Case::every().into_iter().filter(|case| case.to_string().contains(&only)).collect();
    let stories = cases.len();
    let (table, broken) = happen(cases);
    println!("{stories} stories");
    report("every point", &table, &broken);
    assert_eq!(table.values().map(|figures| figures.keys).sum::<usize>(), stories);
}

/// What finds a second run, if there is one.
#[test]
fn without_a_guard_the_audit_finds_what_is_wrong() {
    let story = |policy, spot| Case {
        place: Place::Sqlite,
        policy,
        strikes: vec![Strike { at: At::Point(Scene::new(How::Awaited, spot)), blow: Blow::Kill, hard: false }],
        impatient: false,
        newcomer: false,
        guarded: false,
    };
    let cases = Policy::ALL.iter().map(|policy| story(*policy, Spot::Answered)).collect();
    let (_, broken) = happen(cases);
    let found = broken.iter().filter(|Broken(law)| !law.contains("never came to its point")).count();
    assert_eq!(found, Policy::ALL.len(), "{broken:?}");
}
