//! How long it takes from an ending to the answer of a call that waits in another process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use idem_store_tests::{Place, Site};

use crate::pair::{attach, key, run, Pair};

const SAMPLES: u64 = 200;
/// So that it takes minutes and not an hour; their endings are some milliseconds apart.
const AT_ONCE: u64 = 50;

/// Not a test, a figure:
/// `cargo test --release -p idem-store-tests --test waiting -- --ignored --nocapture figure`.
#[test]
#[ignore = "a figure, to be taken in release mode on a quiet machine"]
fn figure() {
    type Row = (&'static str, fn() -> Site, bool);
    let rows: [Row; 6] = [
        ("Redis, push (the default)", || Place::Redis.site().push(), true),
        ("Redis, no push", || Place::Redis.site(), true),
        ("Postgres, push", || Place::Postgres.site().push(), true),
        ("Postgres, no push (the default)", || Place::Postgres.site(), true),
        ("SQLite (it watches its file)", || Place::Sqlite.site(), true),
        ("SQLite, its hints kept back", || Place::Sqlite.site(), false),
    ];
    println!("| store | median, 0.1 s | worst, 0.1 s | median, 2 s | worst, 2 s |\n|---|---|---|---|---|");
    for (name, site, hints) in rows {
        print!("| {name} |");
        for waited in [Duration::from_millis(100), Duration::from_secs(2)] {
            run(async {
                let mut took = samples(&site(), hints, waited).await;
                took.sort();
                let millis = |n: usize| took[n].as_secs_f64() * 1e3;
                print!(" {:.1} ms | {:.1} ms |", millis(took.len() / 2), millis(took.len() - 1));
            });
        }
        println!();
    }
}

/// From the answered ending to the waiter's answer, after it has waited for about so long.
async fn samples(site: &Site, hints: bool, waited: Duration) -> Vec<Duration> {
    let pair = Arc::new(Pair::new(site, hints).await);
    let mut took = Vec::new();
    for batch in 0..SAMPLES / AT_ONCE {
        let calls = (0..AT_ONCE).map(|nth| tokio::spawn(sample(pair.clone(), batch * AT_ONCE + nth, waited, nth)));
        for call in calls.collect::<Vec<_>>() {
            took.push(call.await.unwrap());
        }
    }
    took
}

async fn sample(pair: Arc<Pair>, n: u64, waited: Duration, nth: u64) -> Duration {
    let (end, owner) = pair.own(n).await;
    let waiter = tokio::spawn({
        let idem = pair.waiting.clone();
        async move {
            attach(idem, n).await;
            Instant::now()
        }
    });
    pair.waiter.claimed(&key(n), 1).await;
    // What is measured is a call that has waited for a while; each of a batch a little longer than the one before.
    tokio::time::sleep(waited + Duration::from_millis(7) * u32::try_from(nth).unwrap()).await;
    end.add_permits(1);
    owner.await.unwrap();
    let finished = pair.owner.of(&key(n)).finished.unwrap();
    // A hint may be faster than the answer to the ending.
    waiter.await.unwrap().saturating_duration_since(finished)
}
