//! Many processes on one file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use idem_core::{Claimed, Finish, Ownership, Store};
use idem_sqlite::SqliteStore;

use crate::child::{ready, say, Process};
use crate::support::{call, claim, completed, granted, key, result, Dir};

const PROCESSES: usize = 4;
const KEYS: u32 = 200;

/// Claims every key, ends what it was granted, and tells who has what it was not.
pub(crate) async fn hammer(file: PathBuf) {
    let store = SqliteStore::open(file).await.unwrap();
    let me = std::process::id();
    ready();
    for n in 0..KEYS {
        let (key, claim) = (key(n), claim());
        loop {
            match store.claim(&key, &claim).await.unwrap() {
                Claimed::Granted(grant) => {
                    say(format!("granted {n} {}", grant.fence));
                    let held =
                        store.finish(&key, &Finish::new(claim.owner, completed(me.to_string().as_bytes()))).await;
                    assert_eq!(held.unwrap(), Ownership::Held);
                    break;
                }
                Claimed::Completed(_) => break,
                Claimed::Running { .. } => store.changed(&key).await,
                other => panic!("{other:?}"),
            }
        }
    }
    for n in 0..KEYS {
        say(format!("result {n} {}", String::from_utf8(result(&store, &key(n)).await.unwrap()).unwrap()));
    }
}

#[test]
fn of_four_processes_that_claim_a_key_one_gets_it_and_all_see_its_result() {
    let dir = Dir::new();
    let mut processes: Vec<_> = (0..PROCESSES).map(|_| Process::start("hammer", &dir.file())).collect();
    processes.iter_mut().for_each(|process| assert_eq!(process.says().unwrap(), "ready"));
    processes.iter_mut().for_each(Process::go);
    let threads: Vec<_> = processes.into_iter().map(|mut process| std::thread::spawn(move || process.all())).collect();
    let said: Vec<String> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let (mut grants, mut results) = (BTreeMap::<u32, usize>::new(), BTreeMap::<u32, BTreeSet<String>>::new());
    for line in said {
        let words: Vec<_> = line.split(' ').collect();
        let n = words[1].parse().unwrap();
        match words[0] {
            "granted" => *grants.entry(n).or_default() += 1,
            _ => drop(results.entry(n).or_default().insert(words[2].to_owned())),
        }
    }
    assert_eq!(grants, (0..KEYS).map(|n| (n, 1)).collect());
    assert_eq!(results.len(), KEYS as usize);
    assert!(results.values().all(|results| results.len() == 1), "{results:?}");
}

/// Opens a file that was not there before, and does one call.
pub(crate) async fn open(file: PathBuf) {
    ready();
    let store = SqliteStore::open(file).await.unwrap();
    call(&store, &key(std::process::id()), b"done").await;
}

#[test]
fn ten_processes_may_open_a_new_file_at_once() {
    for _ in 0..3 {
        let dir = Dir::new();
        let mut processes: Vec<_> = (0..10).map(|_| Process::start("open", &dir.file())).collect();
        processes.iter_mut().for_each(|process| assert_eq!(process.says().unwrap(), "ready"));
        processes.iter_mut().for_each(Process::go);
        processes.into_iter().for_each(Process::ends_well);
        let rows = |sql| dir.sql().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(rows("SELECT count(*) FROM idem_records WHERE state = 'completed'"), 10);
        assert_eq!(rows("SELECT count(*) FROM idem_schema"), 1);
    }
}

/// Uses everything that has a thread, and says how many are left in the end.
pub(crate) async fn threads(file: PathBuf) {
    let ours = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.starts_with("idem-sqlite")).count()
    };
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = files();
    let store = SqliteStore::open(file.clone()).await.unwrap();
    let claim = claim();
    granted(&store, &key("k"), &claim).await;
    let other = store.clone();
    let waiting = tokio::spawn(async move { other.changed(&key("k")).await });
    store.finish(&key("k"), &Finish::new(claim.owner, completed(b"done"))).await.unwrap();
    waiting.await.unwrap();
    say(format!("{} threads", ours()));
    // Asked, and nobody waits for the answer.
    let (dropped, unheard) = (key("dropped"), self::claim());
    let mut asked = Box::pin(store.claim(&dropped, &unheard));
    let _ = once(&mut asked).await;
    drop(asked);
    drop(store);
    while ours() > 0 || files() > before {
        std::thread::yield_now();
    }
    say("none");
}

/// Polls once.
async fn once<F: std::future::Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_ready())).await
}

#[test]
fn threads_and_files_end_with_the_last_clone() {
    let dir = Dir::new();
    let mut process = Process::start("threads", &dir.file());
    assert_eq!(process.says().unwrap(), "4 threads");
    assert_eq!(process.says().unwrap(), "none");
    process.ends_well();
}
