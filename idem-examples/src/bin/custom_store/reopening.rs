//! What outlives a process, in both stores.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use idem::{
    CasStore, Claim, Claimed, Completion, Ending, Finish, Grant, Key, KeyPart, KeyWriter, Owner, Ownership, Payload,
    Record, Settle, Settled, Settlement, State, Store,
};
use idem_testing::Clock;

use crate::files::Files;
use crate::journal::Journal;
use crate::temp::Temp;

const LEASE: Duration = Duration::from_secs(15);
const TTL: Duration = Duration::from_secs(3600);

/// A directory with a store in it.
struct Place {
    dir: Temp,
    clock: Clock,
    open: fn(&Path, Clock) -> Arc<dyn Store>,
}

impl Place {
    fn of_each_store(name: &str) -> [Self; 2] {
        let new = |kind: &str, open: fn(&Path, Clock) -> Arc<dyn Store>| {
            let dir = Temp::new(&format!("{name}-{kind}"));
            Self { dir, clock: Clock::new(), open }
        };
        [
            new("journal", |dir, clock| Arc::new(Journal::open(dir, clock).unwrap())),
            new("files", |dir, clock| Arc::new(CasStore::new(Files::open(dir, clock).unwrap()))),
        ]
    }

    /// The store, as a process finds it that has just begun. The one before has to be gone.
    fn open(&self) -> Arc<dyn Store> {
        (self.open)(&self.dir, self.clock.clone())
    }
}

fn key(name: &str) -> Key {
    Key::new("", "reopening", name).unwrap()
}

fn claim() -> Claim {
    Claim::new(Owner::random(), LEASE, TTL)
}

fn done() -> Ending {
    Ending::Completed(Completion::Result(Payload::from_bytes(&b"done\n\0"[..])))
}

async fn granted(store: &dyn Store, key: &Key, claim: &Claim) -> Grant {
    match store.claim(key, claim).await.unwrap() {
        Claimed::Granted(grant) => grant,
        other => panic!("{other:?}"),
    }
}

async fn end(store: &dyn Store, key: &Key, owner: Owner, ending: Ending) {
    assert_eq!(store.finish(key, &Finish::new(owner, ending)).await.unwrap(), Ownership::Held);
}

#[tokio::test]
async fn records_are_there_as_they_were() {
    for place in Place::of_each_store("records") {
        let mut before: Vec<(Key, Record)> = Vec::new();
        let store = place.open();
        for (name, ending) in
            [("done", Some(done())), ("not", Some(Ending::Failed)), ("unknown", Some(Ending::Unknown)), ("on", None)]
        {
            let (key, claim) = (key(name), claim().at_most_once(true));
            granted(&*store, &key, &claim).await;
            if let Some(ending) = ending {
                end(&*store, &key, claim.owner, ending).await;
            }
            let record = store.load(&key).await.unwrap().unwrap();
            before.push((key, record));
        }
        drop(store);
        for _ in 0..2 {
            let store = place.open();
            for (key, record) in &before {
                assert_eq!(store.load(key).await.unwrap().as_ref(), Some(record));
            }
            assert!(matches!(store.claim(&key("done"), &claim()).await.unwrap(), Claimed::Completed(_)));
            assert!(matches!(store.claim(&key("unknown"), &claim()).await.unwrap(), Claimed::Indeterminate { .. }));
            assert!(store.load(&key("another")).await.unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn fences_go_on_rising() {
    for place in Place::of_each_store("fences") {
        let (key, mut last) = (key("k"), 0);
        for round in 0..6 {
            let store = place.open();
            let claim = claim();
            let grant = granted(&*store, &key, &claim).await;
            assert!(grant.fence > last, "from {last} to {} in round {round}", grant.fence);
            last = grant.fence;
            match round % 3 {
                0 => place.clock.step(LEASE),
                1 => {
                    end(&*store, &key, claim.owner, Ending::Failed).await;
                    place.clock.set_back(TTL / 2);
                }
                _ => {
                    end(&*store, &key, claim.owner, done()).await;
                    let seen = store.load(&key).await.unwrap().unwrap();
                    let forget = Settle::new(&seen, Owner::random(), Settlement::Forgotten);
                    assert_eq!(store.settle(&key, &forget).await.unwrap(), Settled::Applied);
                    last += 1;
                    // Over, and deleted.
                    place.clock.step(TTL * 2);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_claim_of_a_dead_process_lapses() {
    for place in Place::of_each_store("lapses") {
        let (key, dead) = (key("k"), claim());
        granted(&*place.open(), &key, &dead).await;
        let store = place.open();
        let found = store.claim(&key, &claim()).await.unwrap();
        assert!(matches!(found, Claimed::Running { lease_left, .. } if lease_left > LEASE / 2), "{found:?}");
        place.clock.step(LEASE);
        let next = claim();
        let grant = granted(&*store, &key, &next).await;
        assert_eq!((grant.attempt, grant.after_unknown), (2, true));
        assert_eq!(store.finish(&key, &Finish::new(dead.owner, done())).await.unwrap(), Ownership::Lost);
        end(&*store, &key, next.owner, done()).await;
    }
}

#[tokio::test]
async fn what_is_over_leaves_the_journal_and_nothing_else_does() {
    for place in Place::of_each_store("over").into_iter().take(1) {
        let store = place.open();
        let before = size(&place.dir);
        for n in 0..20 {
            let (key, claim) = (key(&format!("{n}")), Claim::new(Owner::random(), LEASE, TTL * (1 + n % 2)));
            granted(&*store, &key, &claim).await;
            end(&*store, &key, claim.owner, done()).await;
        }
        let all = size(&place.dir) - before;
        place.clock.step(TTL);
        drop(store);
        let store = place.open();
        let half = size(&place.dir) - before;
        assert!(half > 0 && half <= all / 2, "{half} of {all}");
        for n in 0..20 {
            let found = store.load(&key(&format!("{n}"))).await.unwrap();
            assert_eq!(found.is_some(), n % 2 == 1);
            assert!(found.is_none_or(|record| matches!(record.state, State::Completed(_))));
        }
        place.clock.step(TTL);
        drop(store);
        drop(place.open());
        assert_eq!(size(&place.dir), before);
    }
}

/// How many bytes there are in the directory's files.
fn size(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().unwrap().len() }).sum()
}

/// A key that is as long as it can be: thousands of parts, nearly all of them empty.
struct Longest;

impl KeyPart for Longest {
    fn write_to(&self, key: &mut KeyWriter) {
        key.bytes(&[0xff; 1000]);
        (0..3500).for_each(|_| key.text(""));
    }
}

#[tokio::test]
async fn the_longest_keys() {
    for place in Place::of_each_store("longest") {
        let keys = [Key::new("", "reopening", &Longest), Key::new(&"n".repeat(5000), &"o".repeat(5000), &Longest)];
        for key in keys.map(Result::unwrap) {
            assert!(key.as_bytes().len() > 8000);
            let claim = claim();
            granted(&*place.open(), &key, &claim).await;
            end(&*place.open(), &key, claim.owner, done()).await;
            assert!(matches!(place.open().claim(&key, &self::claim()).await.unwrap(), Claimed::Completed(_)));
        }
    }
}
