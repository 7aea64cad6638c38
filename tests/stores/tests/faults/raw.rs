//! A client that asks the store itself, and keeps to nothing.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use idem::{
    Claim, Claimed, Completion, Ending, Fingerprint, Finish, Key, Owner, Payload, SaveStep, Settle, Settlement, Step,
    Store, StoreError,
};
use idem_testing::Recorded;
use tokio::time::{sleep, timeout};

use crate::clients::{Going, Orders, AT_ONCE, LEASE, TTL};
use crate::dice::Dice;

/// How long it waits for an answer. Then it gives the verb up, which may be applied all the same.
const PATIENCE: Duration = Duration::from_millis(400);

#[derive(Debug, Clone)]
pub(crate) struct Asker {
    orders: Arc<Orders>,
    store: Recorded,
    /// Tokens that were its own once.
    former: Arc<Mutex<Vec<(Key, Owner)>>>,
}

impl Asker {
    pub(crate) fn new(orders: Arc<Orders>, store: Recorded) -> Self {
        Self { orders, store, former: Arc::default() }
    }

    fn key(&self, n: u64) -> Key {
        Key::new(&self.orders.round, "raw", &n).unwrap()
    }

    pub(crate) async fn works(self, mut dice: Dice, mut going: Going) {
        while *going.borrow_and_update() {
            let key = self.key(self.orders.key(&mut dice));
            match dice.roll(10) {
                0 => self.looks(&key, &mut dice).await,
                1 => self.comes_late(&mut dice).await,
                _ => self.owns(&key, &mut dice).await,
            }
        }
    }

    /// Asks for a key and, if it gets it, has it for a while.
    async fn owns(&self, key: &Key, dice: &mut Dice) {
        let ttl = if dice.one_in(16) { LEASE } else { TTL };
        let print = ["a", "b"].map(|text| Fingerprint::of(text).unwrap());
        let print = [None, None, None, Some(print[0]), Some(print[0]), Some(print[1])][dice.roll(6) as usize];
        let claim = Claim::new(Owner::random(), LEASE, ttl).fingerprint(print);
        let claim = claim.at_most_once(dice.one_in(24)).reconciling(dice.one_in(24));
        let mut answer = given_up(self.store.claim(key, &claim)).await;
        if answer.is_none() || dice.one_in(12) {
            answer = given_up(self.store.claim(key, &claim)).await;
        }
        match answer {
            Some(Claimed::Granted(_)) | None => {}
            Some(_) => return sleep(dice.millis(10, 120)).await,
        }
        self.former.lock().unwrap().push((key.clone(), claim.owner));
        for index in 0..dice.roll(3) {
            sleep(dice.millis(0, LEASE.as_millis() as u64 * 2 / 3)).await;
            if dice.one_in(6) {
                let step = Step::new("step", Payload::from_bytes(&b"done"[..]));
                given_up(self.store.save_step(key, &SaveStep::new(claim.owner, index as u32, step))).await;
            } else {
                given_up(self.store.renew(key, claim.owner)).await;
            }
        }
        if dice.one_in(10) {
            // Beyond its lease.
            sleep(LEASE + dice.millis(0, 200)).await;
        }
        let ending = match dice.roll(20) {
            0..=2 => return,
            3..=5 => Ending::Failed,
            6..=8 => Ending::Unknown,
            9..=11 => Ending::Withdrawn,
            12 => Ending::Completed(Completion::Unreplayable),
            _ => result(claim.owner),
        };
        if given_up(self.store.finish(key, &Finish::new(claim.owner, ending.clone()))).await.is_none()
            || dice.one_in(12)
        {
            given_up(self.store.finish(key, &Finish::new(claim.owner, ending))).await;
        }
    }

    /// Looks at a key, and now and then decides on it as an operator does.
    async fn looks(&self, key: &Key, dice: &mut Dice) {
        let Some(Some(record)) = given_up(self.store.load(key)).await else { return sleep(dice.millis(5, 50)).await };
        if dice.one_in(3) {
            let settlement = match dice.roll(3) {
                0 => Settlement::Forgotten,
                1 => Settlement::Failed,
                _ => Settlement::Completed(Completion::Unreplayable),
            };
            given_up(self.store.settle(key, &Settle::new(&record, Owner::random(), settlement))).await;
        }
    }

    /// Sends something for a key that it had once.
    async fn comes_late(&self, dice: &mut Dice) {
        let former = {
            let former = self.former.lock().unwrap();
            let recent = former.len().saturating_sub(200);
            if former.is_empty() {
                None
            } else {
                Some(former[recent + dice.roll((former.len() - recent) as u64) as usize].clone())
            }
        };
        let Some((key, owner)) = former else { return sleep(dice.millis(5, 50)).await };
        match dice.roll(4) {
            0 => drop(given_up(self.store.renew(&key, owner)).await),
            1 => drop(given_up(self.store.finish(&key, &Finish::new(owner, Ending::Failed))).await),
            2 => drop(given_up(self.store.finish(&key, &Finish::new(owner, Ending::Unknown))).await),
            _ => drop(given_up(self.store.finish(&key, &Finish::new(owner, result(owner)))).await),
        }
    }

    /// Asks for all keys until none is anybody's, and says how long the slowest one took.
    pub(crate) async fn asks_all(&self) -> Duration {
        let mut tasks = Vec::new();
        for first in 0..AT_ONCE {
            let this = self.clone();
            tasks.push(tokio::spawn(async move {
                let mut slowest = Duration::ZERO;
                for n in (first..this.orders.keys).step_by(AT_ONCE as usize) {
                    let (key, began) = (this.key(n), Instant::now());
                    let claim = Claim::new(Owner::random(), LEASE, TTL);
                    loop {
                        match this.store.claim(&key, &claim).await {
                            Ok(Claimed::Running { lease_left, .. }) => sleep(lease_left).await,
                            Ok(_) => break,
                            // A connection that was cut before shows now.
                            Err(error) => {
                                assert!(began.elapsed() < Duration::from_secs(20), "{error:?}");
                                sleep(Duration::from_millis(20)).await;
                            }
                        }
                    }
                    slowest = slowest.max(began.elapsed());
                    let _ = this.store.load(&key).await;
                }
                slowest
            }));
        }
        let mut slowest = Duration::ZERO;
        for task in tasks {
            slowest = slowest.max(task.await.unwrap());
        }
        slowest
    }
}

/// A result that nobody else has.
fn result(owner: Owner) -> Ending {
    Ending::Completed(Completion::Result(Payload::from_bytes(owner.as_bytes().to_vec())))
}

/// The answer, if there is one in time.
async fn given_up<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    let answer = timeout(PATIENCE, answer).await.ok()?.ok();
    if answer.is_none() {
        // A server that is away refuses at once.
        sleep(Duration::from_millis(20)).await;
    }
    answer
}
