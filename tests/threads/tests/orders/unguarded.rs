//! Runs that nothing guards, beside those that the store has granted.

use std::time::Duration;

use idem_core::{current, CallError, Error, Idem};
use tokio::time::sleep;

use crate::support::{all_ends, explore, op, spawn, yield_now, Bodies, Shelf, Time};

/// Everybody pauses for longer than a claim may take, and together for longer than a lease.
///
/// A body that runs without the store's answer runs alone in its process, also when others slept over their slots.
#[test]
fn beside_guarded_ones() {
    explore("unguarded beside guarded", Time::Jumps(4, 6), || async {
        let shelf = Shelf::moody();
        let idem = Idem::builder(shelf).wait(Duration::from_secs(3600)).fail_open().build().expect("good settings");
        let (all, alone) = (Bodies::default(), Bodies::default());
        let calls: Vec<_> = (0..3)
            .map(|pauses| {
                let (op, all, alone) = (op(&idem), all.clone(), alone.clone());
                spawn(async move {
                    // The second one comes when the first one's claim has been silent for too long, the third one when a lease
                    // is over; they have heard of nobody.
                    sleep(Duration::from_secs(pauses * pauses * 5)).await;
                    op.run(async {
                        let (number, _running) = all.begin();
                        let unguarded = current().expect("a run").attempt() == 0;
                        let _alone = unguarded.then(|| alone.begin());
                        for _ in 0..3 {
                            let many = all.running();
                            assert!(alone.running() == 0 || many == 1, "{many} bodies, and one of them unguarded");
                            yield_now().await;
                        }
                        Ok::<_, &str>(number)
                    })
                    .await
                })
            })
            .collect();
        for call in calls {
            match call.await.unwrap() {
                Ok(_) | Err(CallError::Idem(Error::InProgress { .. } | Error::Store { .. })) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        all_ends(&idem).await;
    });
}
