//! tokio: current-thread and multi-thread, without timers, and shut down under a running body.

use std::future::{pending, ready};
use std::time::Duration;

use idem::{current, CallError, Error, Idem, Kind, MokaStore, State};
use tokio::runtime::{Builder, Runtime};

use crate::support::{kind, Answer, Calls, Remote, LEASE};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

#[test]
fn runs_replays_waits_and_renews() {
    for runtime in [current_thread(), multi_thread()] {
        let store = Remote::default();
        let (calls, elsewhere) = (Calls::new(Idem::new(store.clone())), Calls::new(Idem::new(store)));
        runtime.block_on(async {
            let slow = calls.call(1, tokio::time::sleep(LEASE * 4));
            let other = async {
                tokio::time::sleep(LEASE).await;
                elsewhere.call(1, pending()).await
            };
            let (first, second) = tokio::join!(slow, other);
            assert_eq!((kind(first), kind(second)), (Kind::Executed, Kind::Attached));
            assert_eq!(kind(calls.call(1, pending()).await), Kind::Replayed);
            assert_eq!((calls.ran(), elsewhere.ran()), (1, 0));
        });
    }
}

#[test]
fn detached_runs_on_when_its_caller_is_gone() {
    for runtime in [current_thread(), multi_thread()] {
        let calls = Calls::new(Idem::new(Remote::default()));
        runtime.block_on(async {
            let (go, gone) = tokio::sync::oneshot::channel::<()>();
            let call = tokio::spawn({
                let calls = calls.clone();
                async move { calls.detached(1, async move { drop(gone.await) }).await }
            });
            while calls.ran() == 0 {
                tokio::task::yield_now().await;
            }
            call.abort();
            call.await.unwrap_err();
            go.send(()).unwrap();
            assert_eq!(calls.idem.drain(Duration::from_secs(60)).await, 0);
            assert!(calls.is_done(1).await);
        });
    }
}

#[test]
fn many_tasks_of_one_key_on_many_threads() {
    let calls = Calls::new(Idem::new(Remote::default()));
    multi_thread().block_on(async {
        let tasks: Vec<_> = (0..256)
            .map(|_| {
                let calls = calls.clone();
                tokio::spawn(async move { kind(calls.call(1, tokio::time::sleep(LEASE)).await) })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(calls.ran(), 1);
    });
}

#[test]
fn without_timers_it_is_config_before_the_body() {
    let calls = Calls::new(Idem::new(MokaStore::new()));
    let without = Builder::new_current_thread().build().unwrap();
    without.block_on(async {
        for refused in [calls.call(1, ready(())).await, calls.detached(1, ready(())).await] {
            assert!(matches!(refused, Err(CallError::Idem(Error::Config { .. }))));
        }
        // What needs no body needs no timers; and nothing panics.
        assert!(!calls.is_done(1).await);
        assert_eq!(calls.idem.drain(Duration::ZERO).await, 0);
    });
    let calls = Calls::new(Idem::new(MokaStore::new()));
    assert_eq!(kind(current_thread().block_on(calls.call(1, ready(())))), Kind::Executed);
    assert_eq!(kind(without.block_on(calls.call(1, pending()))), Kind::Replayed, "from memory");
}

#[test]
fn a_runtime_shut_down_under_a_running_body() {
    for detached in [false, true] {
        let calls = Calls::new(Idem::new(MokaStore::new()));
        let runtime = multi_thread();
        let running = calls.clone();
        runtime.spawn(async move {
            if detached {
                running.detached(1, pending()).await
            } else {
                running.call(1, pending()).await
            }
        });
        while calls.ran() == 0 {
            std::thread::yield_now();
        }
        // Waits for its workers to have dropped every task.
        runtime.shutdown_timeout(Duration::from_secs(60));
        current_thread().block_on(async {
            let record = calls.idem.operation("op").key(1).inspect().await.unwrap().unwrap();
            assert_eq!(record.state, State::Unknown, "detached: {detached}");
            let once: Answer = calls.idem.operation("op").key(1).at_most_once().run(pending()).await;
            assert!(matches!(once, Err(CallError::Idem(Error::Indeterminate { attempt: 1, .. }))));
            assert_eq!(kind(calls.call(1, ready(())).await), Kind::Executed);
        });
    }
}

#[test]
fn a_caller_whose_detached_run_went_down_with_its_runtime() {
    let calls = Calls::new(
        Idem::builder(MokaStore::new())
            .spawner({
                let runtime = std::sync::Mutex::new(Some(multi_thread()));
                // The task is handed to a runtime that is gone a moment later.
                move |task| {
                    let runtime = runtime.lock().unwrap().take().unwrap();
                    runtime.spawn(task);
                    runtime.shutdown_background();
                }
            })
            .build()
            .unwrap(),
    );
    let answer = current_thread().block_on(calls.detached(1, pending()));
    assert!(matches!(answer, Err(CallError::Idem(Error::ShuttingDown { .. }))), "{answer:?}");
}

#[test]
fn a_task_that_a_body_spawns_is_outside_of_it() {
    let idem = Idem::new(MokaStore::new());
    current_thread().block_on(async {
        let op = idem.operation("op").key(1);
        let inside = op.clone().wait(Duration::ZERO);
        let answer: Answer = op
            .run(async {
                assert!(current().is_some());
                let spawned = tokio::spawn(async move {
                    assert!(current().is_none());
                    let answer: Answer = inside.run(pending()).await;
                    answer
                });
                let spawned = spawned.await.unwrap();
                assert!(matches!(spawned, Err(CallError::Idem(Error::InProgress { .. }))), "{spawned:?}");
                Ok(7)
            })
            .await;
        assert_eq!(kind(answer), Kind::Executed);
    });
}

#[test]
fn two_idems_in_one_process_are_two_processes_to_each_other() {
    let store = MokaStore::new();
    let (one, other) = (Calls::new(Idem::new(store.clone())), Calls::new(Idem::new(store)));
    multi_thread().block_on(async {
        let (first, second) = tokio::join!(one.call(1, tokio::time::sleep(LEASE * 2)), other.call(1, ready(())));
        assert_eq!((kind(first), kind(second)), (Kind::Executed, Kind::Attached));
        assert_eq!((one.ran(), other.ran()), (1, 0));
        // Draining one is nothing to the other.
        assert_eq!(one.idem.drain(Duration::ZERO).await, 0);
        assert!(matches!(one.call(2, ready(())).await, Err(CallError::Idem(Error::ShuttingDown { .. }))));
        assert_eq!(kind(other.call(2, ready(())).await), Kind::Executed);
    });
}
