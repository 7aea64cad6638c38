//! Waiting and retrying: deadlines, a store's answer, and the pauses between two requests.

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

/// Waits for `event` and returns its output, or `None` at the deadline. Makes no timer if `event` is ready at once.
///
/// The functions here take pinned futures, because an `async fn` that pins its argument stores the argument twice.
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

/// Waits up to `limit` for a store's answer. A time-out is an error, and so is a panic of the store.
pub(crate) async fn answer<T>(
    answer: impl Future<Output = Result<T, StoreError>> + Unpin,
    limit: Duration,
) -> Result<T, StoreError> {
    until(catch_panic(answer), || later(Instant::now(), limit)).await.unwrap_or_else(|| {
        // The store may or may not have applied the request.
        Err(StoreError::unknown(format!("the store did not answer within {limit:?}")))
    })
}

/// Waits for a store's notification that a key may have changed. A panic of the store counts as a notification.
pub(crate) async fn notification(changed: impl Future<Output = ()>) {
    let changed = pin!(async {
        changed.await;
        Ok(())
    });
    let _ = catch_panic(changed).await;
}

/// Polls a notification once, and returns whether it has arrived.
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

/// Sends a request again until the store answers or `limit` ends. `send` gets the time at which it sends.
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
    let mut ever_unknown = false;
    loop {
        let left = until.saturating_duration_since(now);
        let error = match answer(pin!(async { send(now).await }), left).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        failed(&error);
        ever_unknown |= error.applied() == Applied::Unknown;
        if !error.is_retryable() || until <= Instant::now() {
            // If one of the requests may have been applied, the last error must not deny that. Test:
            // `an_error_says_unknown_if_any_of_its_requests_may_have_been_applied`.
            return Err(if ever_unknown { error.or_unknown() } else { error });
        }
        sleep_until(later(Instant::now(), backoff.next()).min(until)).await;
        now = Instant::now();
    }
}

/// How long a call waits for another call, counted from when it first learns that the other call runs.
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

    /// When the call began to wait; `None` if it has not waited.
    pub(crate) const fn began(&self) -> Option<Timer> {
        self.timer
    }

    pub(crate) fn until(&mut self) -> Instant {
        self.timer.get_or_insert_with(Timer::start);
        *self.until.get_or_insert_with(|| later(Instant::now(), self.wait))
    }

    /// Whether the call has begun to wait and may wait longer.
    pub(crate) fn is_waiting(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    pub(crate) fn is_over(&mut self) -> bool {
        self.until() <= Instant::now()
    }
}

/// Growing pauses with jitter between two requests to a store: each is drawn from the upper half of a bound that doubles from
/// [`SHORTEST_PAUSE`].
#[derive(Debug)]
pub(crate) struct Backoff {
    longest: Duration,
    seed: Option<u64>,
    /// Made at the first pause, because most calls never pause.
    pauses: Option<ExponentialBackoff>,
}

/// The bound of a waiting call's first pause, and of its longest.
pub(crate) const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_millis(500);

thread_local! {
    /// The seed of this thread's next backoff, if a simulation set one.
    static JITTER: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Makes the pauses of later backoffs on this thread depend on `seed` only, so that a simulation can be repeated.
pub(crate) fn seed_jitter(seed: u64) {
    JITTER.set(Some(seed));
}

impl Backoff {
    /// Pauses of up to [`LONGEST_PAUSE`]: between the claims of a waiting call, and between retries of a request.
    pub(crate) fn polling() -> Self {
        Self::up_to(LONGEST_PAUSE)
    }

    /// Pauses of up to 10 s: for an outcome that the store does not acknowledge. The longer the store fails, the fewer requests
    /// it gets.
    pub(crate) fn recording() -> Self {
        Self::up_to(Duration::from_secs(10))
    }

    fn up_to(longest: Duration) -> Self {
        // `try_with`, because a call may be dropped, and record its outcome, while the thread destroys its locals.
        let seed = JITTER.try_with(|jitter| jitter.replace(jitter.get().map(|seed| seed.wrapping_add(1))));
        Self { longest, seed: seed.ok().flatten(), pauses: None }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let Self { longest, seed: seeded, pauses } = self;
        let pauses = pauses.get_or_insert_with(|| {
            // backon adds a jitter of up to the delay itself, so the delays are halved here.
            let exponential = ExponentialBuilder::new().with_min_delay(SHORTEST_PAUSE / 2).with_max_delay(*longest / 2);
            let seed = seeded.unwrap_or_else(seed);
            exponential.with_factor(2.0).without_max_times().with_jitter().with_jitter_seed(seed).build()
        });
        pauses.next().unwrap_or(*longest)
    }
}
