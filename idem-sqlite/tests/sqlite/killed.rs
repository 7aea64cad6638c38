//! Processes that are killed in the middle of it.

use std::path::PathBuf;
use std::time::Duration;

use idem_core::{Claim, Claimed, Finish, Owner, Ownership, Store};
use idem_sqlite::SqliteStore;

use crate::child::{say, Process};
use crate::support::{completed, key, result, Dir, TTL};

const ROUNDS: u32 = 20;
const BRIEF: Duration = Duration::from_millis(40);

/// Calls without end, eight at a time, and says what it was answered.
pub(crate) async fn endings(file: PathBuf) {
    let store = SqliteStore::open(file).await.unwrap();
    let me = std::process::id();
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0_u32.. {
                    let (name, claim) = (format!("{me}.{worker}.{n}"), Claim::new(Owner::random(), BRIEF, TTL));
                    say(format!("asks {name}"));
                    let answer = store.claim(&key(&*name), &claim).await.unwrap();
                    assert!(matches!(answer, Claimed::Granted(_)), "{answer:?}");
                    say(format!("claimed {name}"));
                    let held = store.finish(&key(&*name), &Finish::new(claim.owner, completed(name.as_bytes()))).await;
                    assert_eq!(held.unwrap(), Ownership::Held);
                    say(format!("done {name}"));
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_and_what_was_not_can_be_taken_over() {
    let dir = Dir::new();
    let (mut done, mut cut_short) = (0, 0);
    for round in 0..ROUNDS {
        let mut process = Process::start("endings", &dir.file());
        let mut said: Vec<String> = (0..40 + round * 7).map_while(|_| process.says()).collect();
        process.kill();
        said.extend(process.all());
        let store = dir.store().await;
        let names = |word: &str| -> Vec<String> {
            said.iter().filter_map(|line| line.strip_prefix(word)).map(str::to_owned).collect()
        };
        let (ended, claimed) = (names("done "), names("claimed "));
        for name in &ended {
            assert_eq!(result(&store, &key(&**name)).await.as_deref(), Some(name.as_bytes()), "what was answered");
        }
        for name in names("asks ").into_iter().filter(|name| !ended.contains(name)) {
            let key = key(&*name);
            let found = store.load(&key).await.unwrap();
            assert!(found.is_some() || !claimed.contains(&name), "a claim that was answered");
            let claim = Claim::new(Owner::random(), TTL, TTL);
            let answer = loop {
                match store.claim(&key, &claim).await.unwrap() {
                    Claimed::Running { lease_left, .. } => {
                        assert!(lease_left <= BRIEF);
                        tokio::time::sleep(lease_left).await;
                    }
                    answer => break answer,
                }
            };
            match (answer, found) {
                (Claimed::Granted(grant), None) => assert_eq!((grant.attempt, grant.after_unknown), (1, false)),
                (Claimed::Granted(grant), Some(before)) => {
                    assert_eq!((grant.attempt, grant.after_unknown), (2, true));
                    assert!(grant.fence > before.fence);
                }
                // Its answer was on the way.
                (Claimed::Completed(_), Some(_)) => {}
                other => panic!("{other:?}"),
            }
            cut_short += 1;
        }
        done += ended.len();
    }
    let check: String = dir.sql().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    assert!(done > 100 && cut_short >= ROUNDS as usize, "{done} were done and {cut_short} cut short: it shows nothing");
}
