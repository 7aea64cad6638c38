//! Waiting for a moment, on whatever executor polls.

use std::future::Future;
use std::pin::Pin;

use super::Instant;

/// Completes at `deadline`: on tokio's timer inside a tokio runtime, on a portable one elsewhere.
pub(crate) fn sleep_until(deadline: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    if tokio::runtime::Handle::try_current().is_ok() {
        Box::pin(tokio::time::sleep_until(deadline))
    } else {
        Box::pin(futures_timer::Delay::new(deadline.saturating_duration_since(Instant::now())))
    }
}
