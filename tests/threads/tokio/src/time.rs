//! A time that stands still until it is told to go on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Add;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

thread_local! {
    // All tasks of a schedule are on one thread, and none is interrupted while this is borrowed.
    static TIME: RefCell<Time> = RefCell::default();
}

#[derive(Default)]
struct Time {
    now: Duration,
    made: u64,
    waiting: BTreeMap<(Duration, u64), Waker>,
}

/// A moment, counted from the beginning of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    pub fn now() -> Self {
        Self(TIME.with_borrow(|time| time.now))
    }

    pub fn elapsed(&self) -> Duration {
        Self::now().saturating_duration_since(*self)
    }

    pub fn checked_add(&self, by: Duration) -> Option<Self> {
        self.0.checked_add(by).map(Self)
    }

    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }
}

/// How long the schedule has lasted.
pub fn since_the_beginning() -> Duration {
    TIME.with_borrow(|time| time.now)
}

/// A new schedule begins.
pub fn begin() {
    // Dropped when it is not borrowed any more, for what waits may have more to drop.
    let _before = TIME.with_borrow_mut(std::mem::take);
}

/// Lets time go on to the first moment that anybody waits for; says whether there was one.
pub fn go_on() -> bool {
    let next = TIME.with_borrow(|time| time.waiting.keys().next().map(|(at, _)| *at));
    if let Some(at) = next {
        to(at);
    }
    next.is_some()
}

/// Lets time go on.
pub fn advance(by: Duration) {
    to(since_the_beginning() + by);
}

fn to(now: Duration) {
    let due: Vec<_> = TIME.with_borrow_mut(|time| {
        time.now = time.now.max(now);
        let later = time.waiting.split_off(&(time.now, u64::MAX));
        std::mem::replace(&mut time.waiting, later).into_values().collect()
    });
    due.into_iter().for_each(Waker::wake);
}

/// Completes when time has come so far.
#[derive(Debug)]
pub struct Sleep {
    until: Instant,
    number: u64,
}

pub fn sleep_until(until: Instant) -> Sleep {
    let number = TIME.with_borrow_mut(|time| {
        time.made += 1;
        time.made
    });
    Sleep { until, number }
}

pub fn sleep(by: Duration) -> Sleep {
    sleep_until(Instant::now() + by)
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let replaced = TIME.with_borrow_mut(|time| {
            let key = (self.until.0, self.number);
            if time.now < self.until.0 {
                Err(time.waiting.insert(key, cx.waker().clone()))
            } else {
                Ok(time.waiting.remove(&key))
            }
        });
        if replaced.is_ok() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let _waker = TIME.with_borrow_mut(|time| time.waiting.remove(&(self.until.0, self.number)));
    }
}
