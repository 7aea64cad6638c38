use std::future::Future;
use std::pin::{pin, Pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::*;

type Strings = KeyedNotify<String>;

fn is_ready(future: Pin<&mut impl Future>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Whether the waiter has a notification, which it consumes.
fn was_notified(waiter: &mut Waiter<String>) -> bool {
    is_ready(pin!(waiter.notified()))
}

#[test]
fn a_notification_wakes_every_waiter_of_its_key_and_no_other() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let notify = Strings::new();
    let mut waiters = [notify.waiter("a".into()), notify.waiter("a".into()), notify.waiter("b".into())];
    let counts = [0; 3].map(|_| Arc::new(Count(AtomicUsize::new(0))));
    let woken = || [0, 1, 2].map(|n| counts[n].0.load(Ordering::SeqCst));
    {
        let mut futures: Vec<_> = waiters.iter_mut().map(|waiter| Box::pin(waiter.notified())).collect();
        for (future, count) in futures.iter_mut().zip(&counts) {
            let waker = Waker::from(Arc::clone(count));
            assert_eq!(future.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
        }
        notify.notify("a");
        assert_eq!(woken(), [1, 1, 0]);
        assert!(is_ready(futures[0].as_mut()) && is_ready(futures[1].as_mut()) && !is_ready(futures[2].as_mut()));
    }
    assert!(!waiters.iter_mut().any(was_notified), "the notification is consumed");
}

#[test]
fn a_waiter_that_was_created_before_the_notification_receives_it_even_if_it_was_not_polled_yet() {
    let notify = Strings::new();
    let mut before = notify.waiter("a".into());
    notify.notify("a");
    let mut after = notify.waiter("a".into());
    assert!(was_notified(&mut before));
    assert!(!was_notified(&mut after));
}

#[test]
fn notifications_between_two_waits_count_as_one() {
    let notify = Strings::new();
    let mut waiter = notify.waiter("a".into());
    notify.notify("a");
    notify.notify("a");
    assert!(was_notified(&mut waiter));
    assert!(!was_notified(&mut waiter));
    notify.notify("a");
    assert!(was_notified(&mut waiter));
}

#[test]
fn a_dropped_wait_consumes_no_notification() {
    let notify = Strings::new();
    let mut waiter = notify.waiter("a".into());
    {
        let mut dropped = pin!(waiter.notified());
        assert!(!is_ready(dropped.as_mut()));
        notify.notify("a");
    }
    assert!(was_notified(&mut waiter));
}

#[test]
fn notify_all_wakes_the_waiters_of_every_key() {
    let notify = Strings::new();
    let mut waiters = [notify.waiter("a".into()), notify.waiter("b".into())];
    notify.notify_all();
    assert!(waiters.iter_mut().all(was_notified));
}

#[test]
fn the_last_waiter_of_a_key_frees_its_entry() {
    let notify = Strings::new();
    assert!(notify.is_empty());
    let (one, two) = (notify.waiter("a".into()), notify.waiter("a".into()));
    let other = notify.waiter("b".into());
    let mut keys = notify.keys();
    keys.sort();
    assert_eq!((keys, notify.len()), (vec!["a".to_owned(), "b".to_owned()], 2));
    drop(one);
    assert!(notify.contains("a"), "it has another waiter");
    drop(two);
    assert!(!notify.contains("a") && notify.contains("b"));
    notify.notify("a");
    assert!(!was_notified(&mut notify.waiter("a".into())), "a notification without a waiter is dropped");
    drop(other);
    assert!(notify.is_empty());
}

#[test]
fn waiters_that_are_dropped_at_once_on_many_threads_leave_no_entry() {
    let notify = Strings::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..2000).for_each(|_| drop(notify.waiter("a".into()))));
        }
    });
    assert!(notify.is_empty());
}

/// A runtime that shuts down drops a task when it is woken, and the task drops its waiter.
#[test]
fn a_waker_may_drop_a_waiter() {
    struct DropWaiter(Mutex<Option<Waiter<String>>>);
    impl Wake for DropWaiter {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().unwrap().take());
        }
    }
    for notify_it in [(|notify| notify.notify("a")) as fn(&Strings), Strings::notify_all] {
        let notify = Strings::new();
        let mut waiter = notify.waiter("a".into());
        let waker = Waker::from(Arc::new(DropWaiter(Mutex::new(Some(notify.waiter("a".into()))))));
        let mut notified = pin!(waiter.notified());
        assert!(notified.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        notify_it(&notify);
        assert!(is_ready(notified.as_mut()));
    }
}

#[test]
fn debug_output_names_no_key() {
    let notify = Strings::new();
    let waiter = notify.waiter("secret".into());
    let output = format!("{notify:?} {waiter:?}");
    assert!(output.contains("keys: 1") && !output.contains("secret"), "{output}");
}
