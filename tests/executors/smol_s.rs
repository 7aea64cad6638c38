//! smol, with a spawner.

use idem::{Idem, Kind, State, Store};

use crate::support::{kind, Calls, Remote, LEASE};

fn idem(store: impl Store) -> Idem {
    Idem::builder(store).spawner(|task| smol::spawn(task).detach()).build().unwrap()
}

async fn pause(leases: u32) {
    smol::Timer::after(LEASE * leases).await;
}

#[test]
fn runs_replays_waits_and_renews() {
    let store = Remote::default();
    let (calls, elsewhere) = (Calls::new(idem(store.clone())), Calls::new(idem(store)));
    smol::block_on(async {
        let first = smol::spawn({
            let calls = calls.clone();
            async move { kind(calls.call(1, pause(4)).await) }
        });
        pause(1).await;
        // After more than a lease, another process waits too.
        assert_eq!(kind(elsewhere.call(1, pause(0)).await), Kind::Attached);
        assert_eq!(first.await, Kind::Executed);
        assert_eq!(kind(calls.call(1, pause(0)).await), Kind::Replayed);
        assert_eq!((calls.ran(), elsewhere.ran()), (1, 0));
    });
}

#[test]
fn detached_runs_on_when_its_caller_is_gone() {
    let calls = Calls::new(idem(Remote::default()));
    smol::block_on(async {
        let (go, gone) = smol::channel::bounded::<()>(1);
        let call = smol::spawn({
            let calls = calls.clone();
            async move {
                calls
                    .detached(1, async move {
                        let _ = gone.recv().await;
                    })
                    .await
            }
        });
        while calls.ran() == 0 {
            smol::future::yield_now().await;
        }
        call.cancel().await;
        go.send(()).await.unwrap();
        assert_eq!(calls.idem.drain(LEASE * 1000).await, 0);
        assert!(calls.is_done(1).await);
    });
}

#[test]
fn a_dropped_run_is_ended_in_the_background() {
    let calls = Calls::new(idem(Remote::default()));
    smol::block_on(async {
        let call = smol::spawn({
            let calls = calls.clone();
            async move { calls.call(1, std::future::pending()).await }
        });
        while calls.ran() == 0 {
            smol::future::yield_now().await;
        }
        call.cancel().await;
        assert_eq!(calls.idem.drain(LEASE * 1000).await, 0);
        let record = calls.idem.operation("op").key(1).inspect().await.unwrap().unwrap();
        assert_eq!(record.state, State::Unknown);
    });
}
