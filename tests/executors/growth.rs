//! Nothing grows that nobody uses any more: slots, tasks and calls under way come back to zero.

use std::future::{pending, ready};
use std::panic::resume_unwind;
use std::time::Duration;

use idem::{Idem, MokaStore};

use crate::support::{Answer, Calls, Remote};

/// Slots and calls under way, as the handle shows them.
fn left(idem: &Idem) -> (usize, usize) {
    let shown = format!("{idem:?}");
    let number = |name: &str| {
        let (_, rest) = shown.rsplit_once(name).expect("it is shown");
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().expect("a number")
    };
    (number("slots: "), number("under_way: "))
}

#[tokio::test(start_paused = true)]
async fn after_many_calls_of_every_fate_nothing_is_left() {
    for idem in [Idem::new(MokaStore::new()), Idem::new(Remote::default())] {
        let calls = Calls::new(idem.clone());
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        for n in 0..500_u32 {
            calls.call(n * 10, ready(())).await.unwrap();
            calls.call(n * 10, pending()).await.unwrap();
            calls.detached(n * 10 + 1, ready(())).await.unwrap();
            let op = |key| idem.operation("op").key(key);
            let failed: Answer = op(n * 10 + 2).run(ready(Err("no"))).await;
            failed.unwrap_err();
            let panics = tokio::spawn({
                let op = op(n * 10 + 3);
                async move {
                    let _: Answer = op.run(async { resume_unwind(Box::new("quietly")) }).await;
                }
            });
            panics.await.unwrap_err();
            // Dropped at the claim, in the body, and while waiting for a running call.
            let dropped = calls.call(n * 10 + 4, pending());
            let waiting = async {
                tokio::task::yield_now().await;
                calls.call(n * 10 + 4, pending()).await
            };
            let both = async { tokio::join!(dropped, waiting) };
            tokio::time::timeout(Duration::from_millis(1), both).await.unwrap_err();
        }
        assert_eq!(idem.drain(Duration::from_secs(3600)).await, 0);
        assert_eq!(left(&idem), (0, 0));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), tasks);
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_call_is_counted() {
    let calls = Calls::new(Idem::new(MokaStore::new()));
    let running = tokio::spawn({
        let calls = calls.clone();
        async move { calls.call(1, pending()).await }
    });
    while calls.ran() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(left(&calls.idem), (1, 1));
    running.abort();
    running.await.unwrap_err();
    assert_eq!(left(&calls.idem), (0, 0));
}
