use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use idem::{CasStore, Claim, Claimed, Key, Owner, Store};
use idem_testing::{conformance, Clock, Suite};

use super::Files;
use crate::clock::TimeOfDay;
use crate::temp::Temp;

#[tokio::test(flavor = "multi_thread")]
async fn they_keep_the_contract() {
    conformance(CasStore::new(Files::open(&Temp::new("files"), TimeOfDay).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_handles_on_a_clock_that_steps() {
    let (dir, clock) = (Temp::new("files-two"), Clock::new());
    let handle = || CasStore::new(Files::open(&dir, clock.clone()).unwrap());
    let report = Suite::new(handle()).handle(handle()).clock(clock.clone()).run().await;
    report.assert();
    assert!(report.skipped.is_empty(), "{report}");
}

fn key() -> Key {
    Key::new("", "files", "k").unwrap()
}

fn claim() -> Claim {
    Claim::new(Owner::random(), Duration::from_secs(15), Duration::from_secs(3600))
}

/// All files of all directories.
fn files(dir: &Temp) -> Vec<PathBuf> {
    let inside = |dir: PathBuf| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    inside(dir.to_path_buf()).flat_map(inside).collect()
}

#[tokio::test]
async fn what_this_build_cannot_read_stays_as_it_is() {
    let dir = Temp::new("foreign");
    let store = CasStore::new(Files::open(&dir, TimeOfDay).unwrap());
    assert!(matches!(store.claim(&key(), &claim()).await.unwrap(), Claimed::Granted(_)));
    let [file] = &files(&dir)[..] else { panic!("one record") };
    let honest = fs::read(file).unwrap();
    for foreign in [&b""[..], b"short", &[0xff; 8], b"\xff       \x02 of a later version", &honest[..40]] {
        fs::write(file, foreign).unwrap();
        let store = CasStore::new(Files::open(&dir, TimeOfDay).unwrap());
        assert!(store.claim(&key(), &claim()).await.unwrap_err().is_unreadable(), "{foreign:?}");
        assert!(store.load(&key()).await.unwrap_err().is_unreadable(), "{foreign:?}");
        assert_eq!(fs::read(file).unwrap(), foreign);
    }
    fs::write(file, honest).unwrap();
    assert!(matches!(store.claim(&key(), &claim()).await.unwrap(), Claimed::Running { .. }));
}

#[tokio::test]
async fn what_a_dying_process_left_is_in_nobodys_way() {
    let dir = Temp::new("left");
    let store = CasStore::new(Files::open(&dir, TimeOfDay).unwrap());
    for first in 0..=u8::MAX {
        fs::write(dir.join(format!("{first:02x}/new")), "half of a reco").unwrap();
    }
    let claim = claim();
    assert!(matches!(store.claim(&key(), &claim).await.unwrap(), Claimed::Granted(_)));
    let again = CasStore::new(Files::open(&dir, TimeOfDay).unwrap());
    assert_eq!(again.load(&key()).await.unwrap().unwrap().owner, claim.owner);
}
