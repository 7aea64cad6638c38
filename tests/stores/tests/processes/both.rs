//! The same calls in three processes at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use idem::{Idem, Kind};
use idem_store_tests::{hear, on_each_store, say, Part, Process, Site};

const PROCESSES: usize = 3;
const TASKS: usize = 4;
/// A prime, so that each step gets around to all of them.
const KEYS: usize = 307;
/// What each process calls: one key before the others are let go, then all.
const CALLS: usize = 1 + TASKS * KEYS;

/// Calls all keys in each of its tasks, each in an order of its own, and says what it was answered.
pub(crate) async fn plays(part: &Part, guarded: bool) {
    let part = part.clone();
    let idem = if guarded { Idem::new(part.address.open().await) } else { Idem::disabled() };
    let runs = Arc::new(AtomicUsize::new(0));
    say("ready");
    let me: usize = hear().await.parse().unwrap();
    let call = move |n: usize| {
        let (idem, part, runs) = (idem.clone(), part.clone(), runs.clone());
        async move {
            let body = async {
                let run = format!("{me}.{}", runs.fetch_add(1, Ordering::SeqCst));
                part.effect(format!("{n} {run}"));
                tokio::task::yield_now().await;
                Ok::<_, ()>(run)
            };
            let outcome = idem.operation("both").key(n as u64).run(body).await.unwrap();
            let kind = outcome.kind();
            say(format!("{n} {} {kind:?}", outcome.into_inner()));
        }
    };
    // Each runs something, whoever is faster then.
    call(me).await;
    hear().await;
    let walks = (0..TASKS).map(|task| {
        let (step, call) = (1 + me * TASKS + task, call.clone());
        tokio::spawn(async move {
            for n in (0..KEYS).map(|at| at * step % KEYS) {
                call(n).await;
            }
        })
    });
    for walk in walks.collect::<Vec<_>>() {
        walk.await.unwrap();
    }
}

/// What happened.
struct Audit {
    /// Which runs a key had: `process.number`.
    runs: BTreeMap<usize, Vec<String>>,
    /// What was answered for it.
    answers: BTreeMap<usize, BTreeSet<String>>,
    /// How often each process was answered in each way.
    kinds: Vec<BTreeMap<String, usize>>,
}

fn audit(part: &str, site: &Site) -> Audit {
    let mut processes: Vec<_> = (0..PROCESSES).map(|_| Process::start(part, site)).collect();
    processes.iter_mut().for_each(|process| assert_eq!(process.says().unwrap(), "ready"));
    processes.iter_mut().enumerate().for_each(|(me, process)| process.order(me));
    let first: Vec<_> = processes.iter_mut().map(|process| process.says().unwrap()).collect();
    processes.iter_mut().for_each(|process| process.order("on"));
    let all = processes.into_iter().map(|process| std::thread::spawn(|| process.all()));
    let all: Vec<_> = all.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect();
    let (mut runs, mut answers, mut kinds) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, BTreeSet<_>>::new(), vec![]);
    for line in read_to_string(site.effects()).unwrap().lines() {
        let (n, run) = line.split_once(' ').unwrap();
        runs.entry(n.parse().unwrap()).or_default().push(run.to_owned());
    }
    for (first, rest) in first.into_iter().zip(all) {
        let said = [vec![first], rest].concat();
        assert_eq!(said.len(), CALLS);
        let mut these = BTreeMap::new();
        for line in said {
            let words: Vec<_> = line.split(' ').collect();
            answers.entry(words[0].parse().unwrap()).or_default().insert(words[1].to_owned());
            *these.entry(words[2].to_owned()).or_default() += 1;
        }
        kinds.push(these);
    }
    Audit { runs, answers, kinds }
}

on_each_store! { a_body_runs_once_over_all_processes_and_all_get_its_result }

fn a_body_runs_once_over_all_processes_and_all_get_its_result(site: Site) {
    let Audit { runs, answers, kinds } = audit("both", &site);
    assert_eq!(runs.keys().copied().collect::<Vec<_>>(), (0..KEYS).collect::<Vec<_>>());
    for (n, runs) in &runs {
        assert_eq!(runs.len(), 1, "{n} ran as {runs:?}");
        assert_eq!(answers[n], runs.iter().cloned().collect(), "what {n} was answered");
    }
    let count = |kind: Kind| -> Vec<usize> {
        kinds.iter().map(|these| these.get(&format!("{kind:?}")).copied().unwrap_or_default()).collect()
    };
    assert_eq!(count(Kind::Executed).iter().sum::<usize>(), KEYS);
    let other = [count(Kind::Attached), count(Kind::Replayed)].concat().iter().sum::<usize>();
    assert_eq!(other, PROCESSES * CALLS - KEYS);
    // Else they did not meet, and it shows nothing.
    assert!(count(Kind::Executed).iter().all(|runs| *runs > 0), "{kinds:?}");
    assert!(count(Kind::Attached).iter().any(|waits| *waits > 0), "{kinds:?}");
}

/// What finds a second run, if there is one.
#[test]
fn without_a_guard_each_call_is_a_run() {
    let site = idem_store_tests::Place::Sqlite.site();
    let Audit { runs, answers, kinds } = audit("unguarded", &site);
    assert_eq!(runs.len(), KEYS);
    assert!(runs.values().all(|runs| runs.len() >= PROCESSES * TASKS));
    assert!(answers.values().all(|answers| answers.len() >= PROCESSES * TASKS));
    assert!(kinds.iter().all(|these| these["Unguarded"] == CALLS));
}
