//! A bare `block_on`: there is nothing to spawn on.

use std::future::{pending, Future};
use std::pin::pin;
use std::task::Context;

use idem::{CallError, Error, Idem, Kind, MokaStore, State};
use smol::future::block_on;

use crate::support::{kind, Calls, Remote, LEASE};

fn poll_some<F: Future>(call: F, polls: usize) {
    let mut call = pin!(call);
    let waker = std::sync::Arc::new(Quiet).into();
    let mut cx = Context::from_waker(&waker);
    (0..polls).for_each(|_| assert!(call.as_mut().poll(&mut cx).is_pending()));
}

struct Quiet;

impl std::task::Wake for Quiet {
    fn wake(self: std::sync::Arc<Self>) {}
}

#[test]
fn runs_replays_and_renews() {
    for idem in [Idem::new(MokaStore::new()), Idem::new(Remote::default())] {
        let calls = Calls::new(idem);
        block_on(async {
            // Longer than a lease, on a timer that needs no runtime.
            let slow = async {
                let _ = smol::Timer::after(LEASE * 3).await;
            };
            assert_eq!(kind(calls.call(1, slow).await), Kind::Executed);
            assert_eq!(kind(calls.call(1, pending()).await), Kind::Replayed);
        });
        assert_eq!(calls.ran(), 1);
    }
}

#[test]
fn duplicates_wait_for_the_running_call() {
    let calls = Calls::new(Idem::new(Remote::default()));
    let (first, second) = block_on(smol::future::zip(
        calls.call(1, async {
            let _ = smol::Timer::after(LEASE * 3).await;
        }),
        calls.call(1, pending()),
    ));
    assert_eq!((kind(first), kind(second), calls.ran()), (Kind::Executed, Kind::Attached, 1));
}

#[test]
fn detached_is_config_and_nothing_runs() {
    let calls = Calls::new(Idem::new(MokaStore::new()));
    let refused = block_on(calls.detached(1, pending()));
    assert!(matches!(refused, Err(CallError::Idem(Error::Config { .. }))));
    assert_eq!(calls.ran(), 0);
    assert_eq!(kind(block_on(calls.call(1, async {}))), Kind::Executed, "and the key is free");
}

#[test]
fn a_store_in_memory_ends_a_dropped_run_in_the_drop_itself() {
    let calls = Calls::new(Idem::new(MokaStore::new()));
    poll_some(calls.call(1, pending()), 1);
    let record = block_on(calls.idem.operation("op").key(1).inspect()).unwrap().unwrap();
    assert_eq!(record.state, State::Unknown);
    assert_eq!(kind(block_on(calls.call(1, async {}))), Kind::Executed);
}

#[test]
fn on_another_store_the_lease_of_a_dropped_run_runs_out() {
    let calls = Calls::new(Idem::new(Remote::default()));
    poll_some(calls.call(1, pending()), 2);
    let record = block_on(calls.idem.operation("op").key(1).inspect()).unwrap().unwrap();
    assert!(matches!(record.state, State::Running { .. }), "nobody could tell the store");
    assert_eq!(kind(block_on(calls.call(1, async {}))), Kind::Executed, "it waited for the lease");
    assert_eq!(calls.ran(), 2);
}
