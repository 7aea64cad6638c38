//! A process that calls once, and does not live to see the end of it, or nearly so.

use std::io::BufRead;
use std::path::Path;
use std::time::{Duration, Instant};

use idem::{Idem, Kind, Store};
use idem_crash_tests::World;
use idem_store_tests::{hear, say, Part};

use crate::calls::{tell, Job, Landed};
use crate::park::Park;
use crate::parked::{Granted, Parked};
use crate::scene::{How, Scene, Spot};

/// As a test tells it: `world policy key lease scene hard pace guarded`.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) world: String,
    pub(crate) policy: crate::scene::Policy,
    pub(crate) key: String,
    pub(crate) lease: Duration,
    pub(crate) scene: Option<Scene>,
    pub(crate) hard: bool,
    pub(crate) pace: Duration,
    pub(crate) guarded: bool,
}

impl Order {
    pub(crate) fn text(&self) -> String {
        let Self { world, policy, key, lease, scene, hard, pace, guarded } = self;
        let scene = scene.map_or("-".to_owned(), |scene| scene.to_string());
        format!("{policy:?} {key} {} {scene} {hard} {} {guarded} {world}", lease.as_millis(), pace.as_micros())
    }

    fn read(text: &str) -> Self {
        let words: Vec<&str> = text.splitn(8, ' ').collect();
        Self {
            policy: words[0].parse().unwrap(),
            key: words[1].to_owned(),
            lease: Duration::from_millis(words[2].parse().unwrap()),
            scene: (words[3] != "-").then(|| words[3].parse().unwrap()),
            hard: words[4] == "true",
            pace: Duration::from_micros(words[5].parse().unwrap()),
            guarded: words[6] == "true",
            world: words[7].to_owned(),
        }
    }
}

pub(crate) async fn plays(part: &Part) {
    let order = Order::read(&hear().await);
    let park = Park::new(order.scene, order.hard, order.pace);
    hears(&park);
    let store = part.address.open().await;
    let spawned = park.clone();
    let idem = if order.guarded {
        Idem::builder(Parked { store: store.clone(), park: park.clone() })
            .spawner(move |task| {
                let park = spawned.clone();
                tokio::spawn(async move {
                    // The first task of a detached call is its body, if it was granted the key.
                    if park.how() == How::Detached && park.was_granted() && !park.has_left() {
                        park.leave().await;
                        park.at(Spot::Spawned).await;
                    }
                    task.await;
                });
            })
            .build()
            .unwrap()
    } else {
        Idem::disabled()
    };
    let subscriber = tracing::Dispatch::new(Granted(park.clone()));
    tracing::dispatcher::set_global_default(subscriber).unwrap();
    let job = Job {
        idem,
        policy: order.policy,
        key: order.key,
        lease: order.lease,
        wait: Duration::from_secs(10),
        world: World::at(Path::new(&order.world)),
        park: park.clone(),
    };
    say("calls");
    calls(&job).await;
    // What it left to the background.
    let left = job.idem.drain(Duration::from_secs(30)).await;
    if left > 0 {
        say(format!("refused Undrained {left}"));
    }
    // What it is answered when it asks once more.
    if order.guarded {
        afterwards(job, store).await;
    }
    say("end");
}

async fn calls(job: &Job) {
    loop {
        let (called, began) = (job.clone(), Instant::now());
        let mut call = tokio::spawn(async move {
            let answer = called.clone().call().await;
            // Before anything that it left behind is polled.
            let landed = called.park.has_landed();
            (answer, landed)
        });
        let (answer, landed) = tokio::select! {
            answer = &mut call => answer.unwrap(),
            () = job.park.leaves() => {
                call.abort();
                let _ = call.await;
                job.park.left();
                return;
            }
        };
        // Not that of a call which a busy machine was too slow for: it may have been answered without its record.
        let in_time = began.elapsed() < job.lease / 3;
        if answer.0.is_ok() && (landed || answer.1 == Some(Kind::Unguarded)) {
            job.park.at(Spot::Answered).await;
        }
        job.park.answered();
        let landed = match landed {
            true => Landed::Yes,
            false if in_time => Landed::Early,
            false => Landed::No,
        };
        let again = tell(answer, landed);
        if !again {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn afterwards(job: Job, store: std::sync::Arc<dyn Store>) {
    let scene = (job.park.how() == How::Detached).then_some(Scene::new(How::Detached, Spot::ClaimUnsent));
    let park = Park::new(scene, false, Duration::ZERO);
    park.left();
    let job = Job { idem: Idem::new(store), park: park.clone(), lease: Duration::from_secs(5), ..job };
    while tell(job.clone().call().await, Landed::Yes) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Hears when it may go on. One that hangs, or whose parent is gone, ends.
fn hears(park: &Park) {
    let park = park.clone();
    std::thread::spawn(move || {
        let mut line = String::new();
        while matches!(std::io::stdin().lock().read_line(&mut line), Ok(1..)) {
            park.go();
        }
        std::process::exit(0);
    });
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(60));
        say("refused Hangs");
        std::process::exit(3);
    });
}
