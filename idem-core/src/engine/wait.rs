//! Waiting: for an event or a deadline, whichever is first, and for another process with growing pauses.

use std::cell::Cell;
use std::future::{poll_fn, Future};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::{pin, Pin};
use std::task::Poll;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::observe::Timer;
use crate::clock::{later, sleep_until, Instant};
use crate::error::{Applied, StoreError};
use crate::sync::seed;

/// What `event` comes to, or `None` at the deadline. The deadline is not asked for, and no timer is made, when `event` is
/// ready at once.
///
/// Like all here it takes what stays where it is already, pinned by whoever asks: what an `async fn` takes and pins lies in
/// its future twice.
pub(super) fn until<T>(
    mut event: impl Future<Output = T> + Unpin,
    deadline: impl FnOnce() -> Instant,
) -> impl Future<Output = Option<T>> {
    let (mut deadline, mut timer) = (Some(deadline), None);
    poll_fn(move |cx| {
        if let Poll::Ready(output) = Pin::new(&mut event).poll(cx) {
            return Poll::Ready(Some(output));
        }
        if let Some(deadline) = deadline.take() {
            timer = Some(sleep_until(deadline()));
        }
        match &mut timer {
            Some(timer) => timer.as_mut().poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    })
}

/// A store's answer, or an error when it does not come within `limit`. A store that panics has not answered either.
pub(super) async fn answer<T>(
    answer: impl Future<Output = Result<T, StoreError>> + Unpin,
    limit: Duration,
) -> Result<T, StoreError> {
    until(unpanicked(answer), || later(Instant::now(), limit)).await.unwrap_or_else(|| {
        // Which says nothing of what it did.
        Err(StoreError::unknown(format!("the store did not answer within {limit:?}")))
    })
}

/// A hint of the store's. One that panics gives none.
pub(super) async fn hint(hint: impl Future<Output = ()>) {
    let _ = unpanicked(pin!(async {
        hint.await;
        Ok(())
    }))
    .await;
}

/// Begins to wait for a hint, and says whether it is there already.
pub(super) async fn is_there(hint: &mut (impl Future<Output = ()> + Unpin)) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *hint).poll(cx).is_ready())).await
}

fn unpanicked<T>(
    mut answer: impl Future<Output = Result<T, StoreError>> + Unpin,
) -> impl Future<Output = Result<T, StoreError>> + Unpin {
    poll_fn(move |cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut answer).poll(cx)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(StoreError::unknown("the store panicked"))))
    })
}

/// A store's answer to a verb that may be sent again: one that was not applied once more, one that may have been as often as
/// `limit` allows. It is asked with the moment at which it is.
pub(super) async fn insist<T, F>(
    limit: Duration,
    mut ask: impl FnMut(Instant) -> F,
    mut failed: impl FnMut(&StoreError),
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut now = Instant::now();
    let until = later(now, limit);
    let mut backoff = Backoff::waiting();
    let (mut once_more, mut ever_unknown) = (true, false);
    loop {
        let left = until.saturating_duration_since(now);
        let error = match answer(pin!(async { ask(now).await }), left).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        failed(&error);
        let unknown = error.applied() == Applied::Unknown;
        ever_unknown |= unknown;
        let again = error.is_retryable() && (unknown || std::mem::take(&mut once_more));
        if !again || until <= Instant::now() {
            // One that may have been applied may have been, whatever became of the others.
            return Err(if ever_unknown { error.or_unknown() } else { error });
        }
        sleep_until(later(Instant::now(), backoff.next()).min(until)).await;
        now = Instant::now();
    }
}

/// How long a call waits for another one; counted from when it first sees that one running.
#[derive(Debug)]
pub(crate) struct Patience {
    wait: Duration,
    until: Option<Instant>,
    timer: Option<Timer>,
}

impl Patience {
    pub(crate) const fn new(wait: Duration) -> Self {
        Self { wait, until: None, timer: None }
    }

    /// When it first saw the call that it waits for.
    pub(super) const fn began(&self) -> Option<Timer> {
        self.timer
    }

    pub(super) fn until(&mut self) -> Instant {
        self.timer.get_or_insert_with(Timer::start);
        *self.until.get_or_insert_with(|| later(Instant::now(), self.wait))
    }

    pub(super) fn is_over(&mut self) -> bool {
        self.until() <= Instant::now()
    }
}

/// Growing, jittered pauses between two questions to a store.
#[derive(Debug)]
pub(super) struct Backoff {
    pause: Duration,
    longest: Duration,
    seed: Option<u64>,
    // Of its own: an ending may have to land while the thread's locals are being destroyed. Most calls never pause.
    jitter: Option<SmallRng>,
}

/// The shortest pause of a waiting call, before jitter, and the longest.
pub(super) const SHORTEST: Duration = Duration::from_millis(10);
pub(super) const LONGEST: Duration = Duration::from_millis(500);

thread_local! {
    /// Where the next pauses of this thread get their jitter from, when that is not left to chance.
    static JITTER: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on pauses that begin on this thread are the same ones for the same seed, for simulations that are to be repeated.
pub(crate) fn seed_jitter(seed: u64) {
    JITTER.set(Some(seed));
}

impl Backoff {
    /// For a call that waits for another one.
    pub(super) fn waiting() -> Self {
        Self::up_to(LONGEST)
    }

    /// For an ending that does not land. The longer a store is gone, the less often all endings ask for it.
    pub(super) fn landing() -> Self {
        Self::up_to(Duration::from_secs(10))
    }

    fn up_to(longest: Duration) -> Self {
        let seed = JITTER.get();
        JITTER.set(seed.map(|seed| seed.wrapping_add(1)));
        Self { pause: SHORTEST, longest, seed, jitter: None }
    }

    pub(super) fn next(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(self.longest);
        let jitter = self.jitter.get_or_insert_with(|| SmallRng::seed_from_u64(self.seed.unwrap_or_else(seed)));
        pause.mul_f64(jitter.random_range(0.5..=1.0))
    }
}
