//! Waiting for a moment, on whatever executor polls.

use std::future::Future;
use std::pin::Pin;

use super::Instant;

/// Completes at `deadline`: on tokio's timer inside a tokio runtime, on a portable one elsewhere.
///
/// It takes no part in tokio's cooperative budget: a body that is never out of work would have spent it each time, and the
/// timer beside it would never fire.
pub(crate) fn sleep_until(deadline: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    if tokio::runtime::Handle::try_current().is_ok() {
        Box::pin(tokio::task::unconstrained(tokio::time::sleep_until(deadline)))
    } else {
        Box::pin(futures_timer::Delay::new(deadline.saturating_duration_since(Instant::now())))
    }
}
