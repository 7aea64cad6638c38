//! A process of clients: half of them ask the store themselves, half run functions.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use idem_store_tests::{hear, say, Part};
use idem_testing::History;
use tokio::sync::watch;

use crate::broken::{self, Mistake};
use crate::calls::Caller;
use crate::dice::Dice;
use crate::place::At;
use crate::raw::Asker;

/// How long a silent owner keeps a key.
pub(crate) const LEASE: Duration = Duration::from_millis(600);
/// How long records are kept: longer than any round.
pub(crate) const TTL: Duration = Duration::from_secs(3600);

/// How many keys a client asks for at once when all is well. More would only wait for a machine that is busy with other tests.
pub(crate) const AT_ONCE: u64 = 4;

/// What a process of clients is told to do.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) mistake: Mistake,
    pub(crate) seed: u64,
    /// Which process it is; one that takes another's place has a number of its own.
    pub(crate) process: usize,
    pub(crate) clients: usize,
    /// How many things a client does at once.
    pub(crate) tasks: usize,
    /// How many keys of each kind there are.
    pub(crate) keys: u64,
    pub(crate) length: Duration,
    /// When the round began, on the host's clock.
    pub(crate) began: Duration,
    /// What tells the keys of this round from others.
    pub(crate) round: String,
    pub(crate) dir: PathBuf,
    pub(crate) at: At,
}

impl Orders {
    pub(crate) fn words(&self) -> String {
        let Self { mistake, seed, process, clients, tasks, keys, length, began, round, dir, at } = self;
        let (length, began, dir, at) = (length.as_micros(), began.as_micros(), dir.display(), at.words());
        format!("{mistake:?} {seed} {process} {clients} {tasks} {keys} {length} {began} {round} {dir} {at}")
    }

    fn of(words: &str) -> Self {
        let words: Vec<&str> = words.split(' ').collect();
        fn number<T: FromStr<Err: std::fmt::Debug>>(word: &str) -> T {
            word.parse().unwrap()
        }
        Self {
            mistake: Mistake::ALL.into_iter().find(|known| format!("{known:?}") == words[0]).unwrap(),
            seed: number(words[1]),
            process: number(words[2]),
            clients: number(words[3]),
            tasks: number(words[4]),
            keys: number(words[5]),
            length: Duration::from_micros(number(words[6])),
            began: Duration::from_micros(number(words[7])),
            round: words[8].into(),
            dir: words[9].into(),
            at: At::of([words[10], words[11], words[12]]),
        }
    }

    pub(crate) fn history(&self) -> PathBuf {
        self.dir.join(format!("history-{}", self.process))
    }

    /// One more line in a file of the round's, in one write.
    pub(crate) fn note(&self, file: &str, line: impl std::fmt::Display) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.dir.join(file)).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The rest of the last line that begins so.
    pub(crate) fn last_of(&self, file: &str, begins: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.dir.join(file)).unwrap_or_default();
        text.lines().rev().find_map(|line| line.strip_prefix(begins)).map(str::to_owned)
    }

    /// One of the keys that it is the turn of: all of them meet there.
    pub(crate) fn key(&self, dice: &mut Dice) -> u64 {
        let gone = now().saturating_sub(self.began).as_secs_f64() / self.length.as_secs_f64();
        let window = (self.keys / 6).max(1);
        let last = (gone * (self.keys + window) as f64) as u64;
        last.saturating_sub(dice.roll(window)).min(self.keys - 1)
    }
}

/// The host's time of day.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Whether to go on.
pub(crate) type Going = watch::Receiver<bool>;

pub(crate) async fn plays(_: &Part) {
    let orders = Arc::new(Orders::of(&hear().await));
    let history = History::in_file(orders.history()).unwrap();
    let (mut askers, mut callers) = (Vec::new(), Vec::new());
    for client in 0..orders.clients {
        let name = format!("{}.{client}", orders.process);
        let store = history.store(&name, broken::open(orders.mistake, &orders.at).await);
        if client % 2 == 0 {
            askers.push(Asker::new(orders.clone(), store));
        } else {
            // A few run without the store, if they must.
            let fail_open = orders.process % 10 % 4 == 1 && client + 1 == orders.clients;
            callers.push(Caller::new(orders.clone(), &name, store, fail_open));
        }
    }
    say("ready");
    let (stop, going) = watch::channel(true);
    let mut tasks = Vec::new();
    for task in 0..orders.tasks {
        let dice = |client: usize| {
            Dice::of(
                orders.seed.wrapping_mul(1_000_003).wrapping_add((orders.process * 1000 + client * 100 + task) as u64),
            )
        };
        for (at, asker) in askers.iter().enumerate() {
            tasks.push(tokio::spawn(asker.clone().works(dice(at), going.clone())));
        }
        for (at, caller) in callers.iter().enumerate() {
            tasks.push(tokio::spawn(caller.clone().works(dice(at + 50), going.clone())));
        }
    }
    assert_eq!(hear().await, "stop");
    stop.send_replace(false);
    for task in tasks {
        task.await.unwrap();
    }
    say("stopped");
    assert_eq!(hear().await, "all");
    let name = format!("{}.last", orders.process);
    let store = history.store(&name, broken::open(orders.mistake, &orders.at).await);
    let last = Caller::new(orders.clone(), &name, store, false);
    let slowest = last.calls_all().await.max(askers[0].asks_all().await);
    say(slowest.as_millis());
    hear().await;
}
