//! A key is taken over one lease after its owner was last heard of, and never earlier: by the host's monotonic clock, counted
//! from before the owner's last claim or renewal that succeeded was sent. How much later is a figure.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use idem::{Claim, Claimed, Finish, Idem, Key, Owner, Ownership, Record, Store, StoreError};
use idem_store_tests::Place;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::dice::Dice;

const LEASE: Duration = Duration::from_millis(800);

/// A store that knows when it was last asked for a lease that it got.
#[derive(Debug, Clone)]
struct Sends {
    store: Arc<dyn Store>,
    last: Arc<Mutex<HashMap<Key, (Instant, usize)>>>,
}

impl Sends {
    fn held(&self, key: &Key, sent: Instant) {
        let mut last = self.last.lock().unwrap();
        let times = last.get(key).map_or(0, |(_, times)| *times);
        last.insert(key.clone(), (sent, times + 1));
    }
}

#[async_trait]
impl Store for Sends {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        let sent = Instant::now();
        let answer = self.store.claim(key, claim).await;
        if let Ok(Claimed::Granted(_)) = answer {
            self.held(key, sent);
        }
        answer
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        let sent = Instant::now();
        let answer = self.store.renew(key, owner).await;
        if let Ok(Ownership::Held) = answer {
            self.held(key, sent);
        }
        answer
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        self.store.finish(key, finish).await
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.store.load(key).await
    }

    async fn changed(&self, key: &Key) {
        self.store.changed(key).await;
    }
}

/// How long after the lease's end the key was taken over, and how often it was renewed before.
async fn sample(owning: Idem, sends: Sends, waiting: Idem, n: u64, stops_after: Duration) -> Option<(Duration, usize)> {
    let (begins, begun) = oneshot::channel();
    let mut owner = tokio::spawn(async move {
        let body = async {
            let _ = begins.send(());
            std::future::pending::<Result<Option<()>, ()>>().await
        };
        let operation = owning.operation("lease").key(n).lease(LEASE);
        let mut call = Box::pin(async move { operation.run(body).await });
        let _ = timeout(stops_after, &mut call).await;
        // Not dropped, for that would be told: it just stops.
        std::mem::forget(call);
    });
    // It may stop before its body has begun.
    tokio::select! {
        _ = begun => {}
        ended = &mut owner => ended.unwrap(),
    }
    let operation = waiting.operation("lease").key(n).lease(LEASE).wait(Duration::from_secs(60));
    let taken = loop {
        let mut began = None;
        let body = async {
            began = Some(Instant::now());
            Ok::<_, ()>(Some(()))
        };
        let answer = operation.run(body).await;
        match (began, answer) {
            (Some(began), _) => break began,
            // A machine that is busy with other tests may not answer in a third of a lease.
            (None, Err(_)) => {}
            (None, Ok(_)) => panic!("its owner never ended"),
        }
    };
    let key = Key::new("", "lease", &n).unwrap();
    // One that never got it is no sample.
    let (sent, times) = sends.last.lock().unwrap().get(&key).copied()?;
    let after = taken.checked_duration_since(sent + LEASE);
    let early = || panic!("taken over {:?} after a renewal that was sent for {LEASE:?}", taken - sent);
    Some((after.unwrap_or_else(early), times - 1))
}

fn never_earlier(place: Place, samples: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let site = place.site();
        let sends = Sends { store: site.address().open().await, last: Arc::default() };
        let (owning, waiting) = (Idem::new(sends.clone()), Idem::new(site.address().open().await));
        let (mut dice, all) = (Dice::of(samples), samples as usize);
        let samples = (0..samples).map(|n| {
            let stops_after = dice.millis(0, LEASE.as_millis() as u64 * 3);
            let (owning, waiting, sends) = (owning.clone(), waiting.clone(), sends.clone());
            tokio::spawn(async move {
                // Not all at once: connections are made first.
                sleep(Duration::from_millis(n * 20)).await;
                for again in 0..10 {
                    let n = n + again * 1000;
                    let sample = sample(owning.clone(), sends.clone(), waiting.clone(), n, stops_after).await;
                    if sample.is_some() {
                        return sample;
                    }
                }
                None
            })
        });
        let (mut late, mut renewals) = (Vec::new(), 0);
        for sample in samples.collect::<Vec<_>>() {
            let Some((after, times)) = sample.await.unwrap() else { continue };
            late.push(after);
            renewals += times;
        }
        assert!(late.len() * 10 > all * 9 && renewals > all, "{} samples of {all}, {renewals} renewals", late.len());
        late.sort();
        let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
        println!(
            "{place:?}: {} leases of {LEASE:?} after {renewals} renewals, taken over late by {:.1?} (median), {:.1?} (p99), {:.1?} (max)",
            late.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    });
}

#[test]
fn redis_is_never_early() {
    never_earlier(Place::Redis, 70);
}

#[test]
fn postgres_is_never_early() {
    never_earlier(Place::Postgres, 70);
}

#[test]
fn sqlite_is_never_early() {
    never_earlier(Place::Sqlite, 60);
}
