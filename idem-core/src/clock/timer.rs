//! Waiting for a moment, on whatever executor polls.

use std::future::Future;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::OnceLock;

use tokio::runtime::Handle;
use tokio::time::Sleep;

use super::Instant;

/// Completes at `deadline`: on tokio's timer inside a tokio runtime that has one, on a portable one elsewhere.
///
/// It takes no part in tokio's cooperative budget: a body that is never out of work would have spent it each time, and the
/// timer beside it would never fire.
pub(crate) fn sleep_until(deadline: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    match Handle::try_current().ok().and_then(|_| tokios(deadline)) {
        Some(sleep) => Box::pin(tokio::task::unconstrained(sleep)),
        None => Box::pin(futures_timer::Delay::new(deadline.saturating_duration_since(Instant::now()))),
    }
}

/// Whether this is a tokio runtime that was built without its time driver: bodies that need it would panic half-way.
pub(crate) fn is_missing() -> bool {
    // Any moment will do, and asking for this one takes time.
    static EVER: OnceLock<Instant> = OnceLock::new();
    Handle::try_current().is_ok() && tokios(*EVER.get_or_init(Instant::now)).is_none()
}

/// tokio's own timer. Without a time driver it panics, and there is no other way to ask.
fn tokios(deadline: Instant) -> Option<Sleep> {
    catch_unwind(AssertUnwindSafe(|| tokio::time::sleep_until(deadline))).ok()
}
