//! Waiting and trying again: deadlines, a store's answer, and the pauses between two requests.

use std::cell::Cell;
use std::future::{poll_fn, Future};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::{pin, Pin};
use std::task::Poll;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::clock::{later, sleep_until, Instant};
use crate::error::{Applied, StoreError};
use crate::sync::seed;
use crate::telemetry::Timer;

/// What `event` comes to, or `None` at the deadline. No timer is made when `event` is ready at once.
///
/// Here and below, futures are taken pinned: what an `async fn` takes and pins itself lies in its future twice.
pub(crate) fn until<T>(
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

/// A store's answer, or an error if it does not come within `limit`. A store that panics has not answered either.
pub(crate) async fn answer<T>(
    answer: impl Future<Output = Result<T, StoreError>> + Unpin,
    limit: Duration,
) -> Result<T, StoreError> {
    until(catch_panic(answer), || later(Instant::now(), limit)).await.unwrap_or_else(|| {
        // Which says nothing of what the store did.
        Err(StoreError::unknown(format!("the store did not answer within {limit:?}")))
    })
}

/// A store's notification that a key may have changed. A store that panics has notified.
pub(crate) async fn notification(changed: impl Future<Output = ()>) {
    let changed = pin!(async {
        changed.await;
        Ok(())
    });
    let _ = catch_panic(changed).await;
}

/// Polls a notification for the first time, and says whether it has come already.
pub(crate) async fn poll_once(notification: &mut (impl Future<Output = ()> + Unpin)) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *notification).poll(cx).is_ready())).await
}

fn catch_panic<T>(
    mut answer: impl Future<Output = Result<T, StoreError>> + Unpin,
) -> impl Future<Output = Result<T, StoreError>> + Unpin {
    poll_fn(move |cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut answer).poll(cx)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(StoreError::unknown("the store panicked"))))
    })
}

/// A store's answer to a request that may be sent again: one that was not applied is sent once more, one that may have been
/// applied as often as `limit` allows. `send` is told when it sends.
pub(crate) async fn retry_until<T, F>(
    limit: Duration,
    mut send: impl FnMut(Instant) -> F,
    mut failed: impl FnMut(&StoreError),
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut now = Instant::now();
    let until = later(now, limit);
    let mut backoff = Backoff::polling();
    let (mut once_more, mut ever_unknown) = (true, false);
    loop {
        let left = until.saturating_duration_since(now);
        let error = match answer(pin!(async { send(now).await }), left).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        failed(&error);
        let unknown = error.applied() == Applied::Unknown;
        ever_unknown |= unknown;
        let again = error.is_retryable() && (unknown || std::mem::take(&mut once_more));
        if !again || until <= Instant::now() {
            // If one of the requests may have been applied, the last error must not say otherwise.
            return Err(if ever_unknown { error.or_unknown() } else { error });
        }
        sleep_until(later(Instant::now(), backoff.next()).min(until)).await;
        now = Instant::now();
    }
}

/// How long a call waits for another one, counted from when it first sees that one running.
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
    pub(crate) const fn began(&self) -> Option<Timer> {
        self.timer
    }

    pub(crate) fn until(&mut self) -> Instant {
        self.timer.get_or_insert_with(Timer::start);
        *self.until.get_or_insert_with(|| later(Instant::now(), self.wait))
    }

    pub(crate) fn is_over(&mut self) -> bool {
        self.until() <= Instant::now()
    }
}

/// Growing pauses with jitter between two requests to a store: each is drawn from the upper half of a bound that doubles from
/// [`SHORTEST`].
#[derive(Debug)]
pub(crate) struct Backoff {
    longest: Duration,
    seed: Option<u64>,
    /// Made at the first pause: most calls never pause.
    pauses: Option<ExponentialBackoff>,
}

/// The bound of a waiting call's first pause, and of its longest.
pub(crate) const SHORTEST: Duration = Duration::from_millis(10);
pub(crate) const LONGEST: Duration = Duration::from_millis(500);

thread_local! {
    /// The seed of this thread's next backoff, where a simulation set one.
    static JITTER: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on, backoffs that begin on this thread have the same pauses for the same seed: a simulation can be repeated.
pub(crate) fn seed_jitter(seed: u64) {
    JITTER.set(Some(seed));
}

impl Backoff {
    /// For a call that waits for another one.
    pub(crate) fn polling() -> Self {
        Self::up_to(LONGEST)
    }

    /// For an outcome that the store does not take. The longer the store is gone, the less often all of them ask for it.
    pub(crate) fn recording() -> Self {
        Self::up_to(Duration::from_secs(10))
    }

    fn up_to(longest: Duration) -> Self {
        // An outcome may have to be recorded while the thread's locals are being destroyed.
        let seed = JITTER.try_with(|jitter| jitter.replace(jitter.get().map(|seed| seed.wrapping_add(1))));
        Self { longest, seed: seed.ok().flatten(), pauses: None }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let Self { longest, seed: seeded, pauses } = self;
        let pauses = pauses.get_or_insert_with(|| {
            // backon adds up to as much again as jitter.
            let exponential = ExponentialBuilder::new().with_min_delay(SHORTEST / 2).with_max_delay(*longest / 2);
            let seed = seeded.unwrap_or_else(seed);
            exponential.with_factor(2.0).without_max_times().with_jitter().with_jitter_seed(seed).build()
        });
        pauses.next().unwrap_or(*longest)
    }
}
