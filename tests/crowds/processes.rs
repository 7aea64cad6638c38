//! A crowd in each of many processes.

use std::time::Duration;

use idem::Kind;
use idem_testing::Verb;
use tokio::time::Instant;

use crate::{tasks, turn, Crowd};

const PROCESSES: usize = 10;
const CALLERS: usize = 1_000;
const RUN: Duration = Duration::from_secs(60);
/// The longest pause between two questions of a process that waits.
const PAUSE: Duration = Duration::from_millis(500);

#[tokio::test(start_paused = true)]
async fn one_of_each_asks_and_all_are_answered() {
    let _turn = turn().await;
    let crowd = Crowd::new(false);
    let owner = tokio::spawn({
        let crowd = crowd.clone();
        async move { crowd.call(crowd.op(1), Ok(7)).await }
    });
    crowd.have_begun(1).await;
    let processes: Vec<_> = (0..PROCESSES).map(|_| crowd.elsewhere()).collect();
    let callers: Vec<_> = (0..PROCESSES * CALLERS)
        .map(|n| {
            let crowd = processes[n % PROCESSES].clone();
            tokio::spawn(async move { crowd.call(crowd.op(1), Ok(8)).await })
        })
        .collect();
    crowd.have_come(PROCESSES * CALLERS + 1).await;
    tokio::time::sleep(RUN).await;
    let claims = crowd.store.count(Verb::Claim) - 1;
    // Pauses come to three quarters of the longest on average, and begin shorter.
    let most = PROCESSES * (RUN.as_millis() / (PAUSE.as_millis() / 2)) as usize + PROCESSES * 10;
    assert!(claims <= most, "{claims} questions in a minute, of at most {most}");
    let opened = Instant::now();
    crowd.open();
    assert_eq!(owner.await.unwrap().unwrap().kind(), Kind::Executed);
    for caller in callers {
        let outcome = caller.await.unwrap().unwrap();
        assert_eq!((outcome.kind(), outcome.into_inner()), (Kind::Attached, 7));
    }
    assert!(opened.elapsed() <= PAUSE, "nobody sleeps longer than the longest pause: {:?}", opened.elapsed());
    assert_eq!(crowd.ran(), 1);
    tasks(0).await;
    assert!(processes.iter().all(|process| process.left() == (0, 0)));
    println!("{PROCESSES} processes with {CALLERS} callers each: {claims} questions in a minute, of one poller each");
}
