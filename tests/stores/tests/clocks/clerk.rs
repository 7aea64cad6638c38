//! A process that asks the store what it is told to ask.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use idem::{Claim, Claimed, Completion, Ending, Finish, Key, Owner, Payload};
use idem_store_tests::{hear, say, Part, Process, Site};
use idem_test_servers::Clock;

pub(crate) const HOURS: Duration = Duration::from_secs(5 * 60 * 60);

/// What a claim was answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Granted { fence: u64, attempt: u32 },
    Running { left: Duration },
    Done { left: Duration },
}

pub(crate) async fn plays(part: &Part) {
    let store = part.address.open().await;
    let mut owner = Owner::random();
    loop {
        let order = hear().await;
        let words: Vec<_> = order.split(' ').collect();
        let number = |n: usize| words[n].parse::<u64>().unwrap();
        match words[0] {
            "clock" => say(micros()),
            "claim" => {
                let millis = |n| Duration::from_millis(number(n));
                owner = Owner::random();
                let claim = Claim::new(owner, millis(2), millis(3));
                match store.claim(&key(words[1]), &claim).await.unwrap() {
                    Claimed::Granted(grant) => say(format!("granted {} {}", grant.fence, grant.attempt)),
                    Claimed::Running { lease_left, .. } => say(format!("running {}", lease_left.as_micros())),
                    Claimed::Completed(done) => say(format!("done {}", done.ttl_left.as_micros())),
                    other => panic!("{other:?}"),
                }
            }
            "finish" => {
                let ending = Ending::Completed(Completion::Result(Payload::from_bytes(&b"done"[..])));
                say(format!("{:?}", store.finish(&key(words[1]), &Finish::new(owner, ending)).await.unwrap()));
            }
            other => panic!("{other}"),
        }
    }
}

fn key(name: &str) -> Key {
    Key::new("clocks", "claim", name).unwrap()
}

/// The time of day.
fn micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros().try_into().unwrap()
}

/// Such a process, and its clock.
pub(crate) struct Clerk {
    process: Process,
    _clock: Option<Clock>,
}

impl Clerk {
    /// By the host's clock.
    pub(crate) fn honest(site: &Site) -> Self {
        Self { process: Process::start("clerk", site), _clock: None }
    }

    /// Five hours ahead.
    pub(crate) fn ahead(site: &Site) -> Self {
        Self::at(site, micros() + HOURS.as_micros() as u64)
    }

    /// Five hours behind.
    pub(crate) fn behind(site: &Site) -> Self {
        Self::at(site, micros() - HOURS.as_micros() as u64)
    }

    fn at(site: &Site, micros: u64) -> Self {
        let clock = Clock::at(micros);
        let mut process = Process::start_with("clerk", site, clock.env());
        // Else its clock is right, and it shows nothing.
        assert_eq!(process.ask("clock"), micros.to_string());
        Self { process, _clock: Some(clock) }
    }

    pub(crate) fn claim(&mut self, key: &str, lease: Duration, ttl: Duration) -> Answer {
        let said = self.process.ask(format!("claim {key} {} {}", lease.as_millis(), ttl.as_millis()));
        let words: Vec<_> = said.split(' ').collect();
        let number = |n: usize| words[n].parse::<u64>().unwrap();
        match words[0] {
            "granted" => Answer::Granted { fence: number(1), attempt: number(2).try_into().unwrap() },
            "running" => Answer::Running { left: Duration::from_micros(number(1)) },
            "done" => Answer::Done { left: Duration::from_micros(number(1)) },
            _ => panic!("{said}"),
        }
    }

    /// Whether the key that it last claimed was its own.
    pub(crate) fn finish(&mut self, key: &str) -> bool {
        self.process.ask(format!("finish {key}")) == "Held"
    }
}
