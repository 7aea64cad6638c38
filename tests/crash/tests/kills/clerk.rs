//! A process that lives: it retries, looks, and mends.

use std::path::Path;
use std::time::{Duration, Instant};

use idem::{CallError, Error, Idem};
use idem_crash_tests::World;
use idem_store_tests::{hear, say, Part};

use crate::calls::{name, refusal, tell, Job, Landed};
use crate::park::Park;
use crate::scene::Policy;

/// Long enough for a machine that is busy: nobody kills a clerk.
const LEASE: Duration = Duration::from_secs(6);

/// It is told where the world is, and then one line after the other: `verb policy key …`.
pub(crate) async fn plays(part: &Part) {
    let world = World::at(Path::new(&hear().await));
    let idem = Idem::builder(part.address.open().await).lease(LEASE).build().unwrap();
    let park = Park::new(None, false, Duration::ZERO);
    say("ready");
    loop {
        let order = hear().await;
        let words: Vec<&str> = order.split(' ').collect();
        let (policy, key): (Policy, &str) = (words[1].parse().unwrap(), words[2]);
        let operation = idem.operation(name(policy)).key(key);
        match words[0] {
            "call" => {
                let wait = Duration::from_millis(words[3].parse().unwrap());
                let times: usize = words[4].parse().unwrap();
                let job = Job {
                    idem: idem.clone(),
                    policy,
                    key: key.to_owned(),
                    lease: LEASE,
                    wait,
                    world: world.clone(),
                    park: park.clone(),
                };
                let calls: Vec<_> = (0..times).map(|_| tokio::spawn(calls(job.clone()))).collect();
                for call in calls {
                    call.await.unwrap();
                }
            }
            // Somebody who has not heard that it must run once.
            "lax" => match operation.run(async { Ok::<_, ()>("lax".to_owned()) }).await {
                Ok(outcome) => say(format!("answer {:?} {} Yes", outcome.kind(), outcome.into_inner())),
                Err(CallError::Idem(error)) => say(format!("refused {}", refusal(&error).0)),
                Err(CallError::Body(())) => panic!("it does not fail"),
            },
            "inspect" => match insist(|| operation.inspect()).await {
                Some(record) => say(format!("record {:?} {}", record.state, record.attempt)),
                None => say("record none"),
            },
            "resolve" => {
                let result = words[3].to_owned();
                say(insist(|| operation.resolve(&result)).await);
            }
            "retry" => say(insist(|| operation.retry()).await),
            other => panic!("{other}"),
        }
    }
}

/// Calls until it is answered, as far as the store is concerned.
async fn calls(job: Job) {
    let began = Instant::now();
    loop {
        let answer = job.clone().call().await;
        let silent = matches!(&answer.0, Err(crate::calls::Failure::Idempotency(Error::Store { .. })));
        if !silent || began.elapsed() > LEASE {
            tell(answer, Landed::Yes);
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The same for an operator.
async fn insist<T, F: std::future::Future<Output = Result<T, Error>>>(ask: impl Fn() -> F) -> T {
    let began = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(began.elapsed() < LEASE && error.is_retryable(), "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
