//! A process that has a few keys for a while.

use std::time::Duration;

use idem::{current, CallError, Error, Idem};
use idem_store_tests::{hear, say, Part, Process, Site};
use tokio::sync::{oneshot, watch};

/// Keys that a process is in the middle of. Before them there is key 0, which is done.
pub(crate) const KEYS: usize = 4;
/// Of the process that comes to grief. A third of it is what a store has for an answer, and a busy machine needs that.
const LEASE: Duration = Duration::from_millis(1500);

/// Calls all keys, so that their bodies run at the same time. It is ordered `name once wait mind`: what its results are to begin with, whether to run at most
/// once, whether bodies wait for the next order, and whether they also wait until they have heard that their lease is gone.
pub(crate) async fn plays(part: &Part) {
    let idem = Idem::new(part.address.open().await);
    say("ready");
    let order = hear().await;
    let words: Vec<String> = order.split(' ').map(str::to_owned).collect();
    let (name, is) = (words[0].clone(), |n: usize| words[n] == "true");
    let (once, wait, mind) = (is(1), is(2), is(3));
    let (end, ended) = watch::channel(!wait);
    let mut calls = Vec::new();
    for n in 0..=KEYS {
        let (idem, part, name, mut ended) = (idem.clone(), part.clone(), name.clone(), ended.clone());
        let (begins, begun) = oneshot::channel();
        calls.push(tokio::spawn(async move {
            let body = async {
                let me = current().unwrap();
                drop(begins);
                part.effect(format!("{n} {name}"));
                say(format!("runs {n} {} {}", me.attempt(), me.fencing_token()));
                if n > 0 {
                    ended.wait_for(|ended| *ended).await.unwrap();
                    if mind {
                        me.lost().await;
                    }
                }
                Ok::<_, ()>(format!("{name}{n}"))
            };
            let operation = idem.operation("slow").key(n as u64);
            let operation = if wait { operation.lease(LEASE) } else { operation };
            let operation = if once { operation.at_most_once() } else { operation };
            match operation.run(body).await {
                Ok(outcome) => say(format!("answer {n} {:?} {}", outcome.kind(), outcome.into_inner())),
                Err(CallError::Idem(Error::Indeterminate { attempt, .. })) => {
                    say(format!("answer {n} unknown {attempt}"))
                }
                Err(error) => say(format!("answer {n} {error:?}")),
            }
        }));
        // One after the other, for a short lease leaves no time for a rush. It was dropped: the body runs, or never will.
        let _: Result<(), _> = begun.await;
    }
    if wait {
        hear().await;
        end.send_replace(true);
    }
    for call in calls {
        call.await.unwrap();
    }
}

/// What is said of a run: its attempt and its fence.
pub(crate) type Ran = (u32, u64);

/// Starts one that is in the middle of all keys but key 0, and says what of.
pub(crate) fn in_the_middle(site: &Site, once: bool, mind: bool) -> (Process, Vec<Ran>) {
    let mut process = Process::start("slow", site);
    assert_eq!(process.says().unwrap(), "ready");
    process.order(format!("a {once} true {mind}"));
    let mut said: Vec<_> = (0..KEYS + 2).map(|_| process.says().unwrap()).collect();
    said.sort();
    assert_eq!(said[0], "answer 0 Executed a0");
    let ran = runs(&said[1..]);
    assert_eq!(ran.len(), KEYS + 1, "{said:?}");
    assert!(ran.iter().all(|(attempt, _)| *attempt == 1));
    (process, ran)
}

/// The runs of all keys, in their order.
pub(crate) fn runs(said: &[String]) -> Vec<Ran> {
    let lines = said.iter().filter_map(|line| line.strip_prefix("runs "));
    let numbers = |line: &str| line.split(' ').map(|word| word.parse().unwrap()).collect::<Vec<u64>>();
    lines.map(numbers).map(|run| (run[1].try_into().unwrap(), run[2])).collect()
}

/// The answers, in the order of their keys.
pub(crate) fn answers(said: &[String]) -> Vec<String> {
    let mut answers: Vec<_> = said.iter().filter_map(|line| line.strip_prefix("answer ")).map(str::to_owned).collect();
    answers.sort();
    answers
}

/// What another process is answered, and what it ran.
pub(crate) fn another(site: &Site, once: bool) -> Vec<String> {
    let mut process = Process::start("slow", site);
    assert_eq!(process.says().unwrap(), "ready");
    process.order(format!("b {once} false false"));
    let mut said = process.all();
    said.sort();
    said
}

/// The same answer for all keys but key 0, which was done before.
pub(crate) fn all(of_the_others: impl Fn(usize) -> String) -> Vec<String> {
    ["0 Replayed a0".into()].into_iter().chain((1..=KEYS).map(|n| format!("{n} {}", of_the_others(n)))).collect()
}

/// Who did what, in its order.
pub(crate) fn effects(site: &Site) -> Vec<String> {
    let mut effects: Vec<_> = std::fs::read_to_string(site.effects()).unwrap().lines().map(str::to_owned).collect();
    effects.sort();
    effects
}
