//! What calls come to, for those who watch: `tracing` spans and events, and counters and durations through `metrics`.
//!
//! Neither shows a key or a result above `debug`.
#![allow(clippy::ptr_arg)] // A static name is not copied for a label.

use std::borrow::Cow;
use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Duration;

#[cfg(feature = "metrics")]
use crate::clock::Instant;
use crate::error::{Error, StoreError};
use crate::key::Key;
use crate::outcome::Kind;

/// What a call came to. Each call comes to one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CameTo {
    Answered(Kind),
    /// Its body's error.
    Failed,
    Refused(&'static str),
    /// Its caller left.
    Cancelled,
    Panicked,
}

/// What can happen on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    /// A key of an attempt whose outcome is unknown.
    TakenOver,
    LeaseLost,
    /// Nobody polled the call, and its renewal came so late.
    Starved(Duration),
    /// An ending did not land in the call's time; it is sent again in the background.
    NotRecorded,
    /// It did not land in the background either.
    GaveUp,
    /// A result was recorded without its value.
    Unreplayable,
}

/// How long something took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Took {
    Claim,
    Wait,
    Body,
    Ending,
}

impl CameTo {
    const fn name(self) -> &'static str {
        match self {
            Self::Answered(Kind::Executed) => "executed",
            Self::Answered(Kind::Attached) => "attached",
            Self::Answered(Kind::Replayed) => "replayed",
            Self::Answered(Kind::Reconciled) => "reconciled",
            Self::Answered(Kind::Unguarded) => "unguarded",
            Self::Failed => "failed",
            Self::Refused(variant) => variant,
            Self::Cancelled => "cancelled",
            Self::Panicked => "panicked",
        }
    }
}

impl Happened {
    const fn name(self) -> &'static str {
        match self {
            Self::TakenOver => "taken_over",
            Self::LeaseLost => "lease_lost",
            Self::Starved(_) => "starved",
            Self::NotRecorded => "not_recorded",
            Self::GaveUp => "gave_up",
            Self::Unreplayable => "unreplayable",
        }
    }
}

impl Took {
    #[cfg(feature = "metrics")]
    const fn name(self) -> &'static str {
        match self {
            Self::Claim => "idem_claim_seconds",
            Self::Wait => "idem_wait_seconds",
            Self::Body => "idem_body_seconds",
            Self::Ending => "idem_ending_seconds",
        }
    }
}

/// Watches one call.
#[derive(Clone)]
pub(super) struct Watch {
    operation: Cow<'static, str>,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Watch {
    pub(super) fn new(operation: Cow<'static, str>, key: &Key) -> Self {
        let _ = key;
        #[cfg(feature = "tracing")]
        let span = {
            let span = tracing::info_span!("idempotent", %operation, attempt = tracing::field::Empty);
            tracing::debug!(parent: &span, key = %key.readable(), "asked");
            span
        };
        Self {
            operation,
            #[cfg(feature = "tracing")]
            span,
        }
    }

    /// Runs a part of the call in its span.
    pub(super) fn within<T>(&self, part: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tracing")]
        return self.span.in_scope(part);
        #[cfg(not(feature = "tracing"))]
        part()
    }

    /// The key was granted.
    pub(super) fn granted(&self, attempt: u32) {
        let _ = attempt;
        #[cfg(feature = "tracing")]
        self.span.record("attempt", attempt);
    }

    pub(super) fn came_to(&self, came_to: CameTo) {
        quietly(|| self.within(|| came_to_at(&self.operation, came_to)));
    }

    pub(super) fn happened(&self, happened: Happened) {
        let (operation, event) = (&*self.operation, happened.name());
        #[cfg(feature = "tracing")]
        quietly(|| {
            self.within(|| match happened {
                Happened::TakenOver => tracing::info!(operation, "{event}"),
                Happened::Starved(unpolled) => tracing::warn!(operation, ?unpolled, "{event}"),
                Happened::GaveUp => tracing::error!(operation, "{event}"),
                _ => tracing::warn!(operation, "{event}"),
            });
        });
        quietly(|| count("idem_events_total", &self.operation, "event", event));
        let _ = (operation, event);
    }

    pub(super) fn store_failed(&self, verb: &'static str, error: &StoreError) {
        quietly(|| self.within(|| store_failed(&self.operation, verb, error)));
    }

    pub(super) fn took(&self, took: Took, timer: Timer) {
        #[cfg(feature = "metrics")]
        quietly(|| {
            let operation = self.operation.clone();
            metrics::histogram!(took.name(), "operation" => operation).record(timer.began.elapsed().as_secs_f64());
        });
        let _ = (took, timer);
    }
}

/// Whoever watches may have bugs of their own. They undo nothing.
fn quietly(watch: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(watch));
}

/// When something began, if anybody wants to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timer {
    #[cfg(feature = "metrics")]
    began: Instant,
}

impl Timer {
    pub(super) fn start() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            began: Instant::now(),
        }
    }
}

/// A call came to an end that was never more than a look.
pub(super) fn came_to_at(operation: &Cow<'static, str>, came_to: CameTo) {
    let outcome = came_to.name();
    #[cfg(feature = "tracing")]
    match came_to {
        CameTo::Answered(Kind::Unguarded) | CameTo::Panicked => tracing::warn!(%operation, "{outcome}"),
        CameTo::Refused(_) | CameTo::Cancelled => tracing::info!(%operation, "{outcome}"),
        CameTo::Answered(_) | CameTo::Failed => tracing::debug!(%operation, "{outcome}"),
    }
    count("idem_calls_total", operation, "outcome", outcome);
}

/// A call was refused.
pub(crate) fn refused(error: &Error) {
    came_to_at(error.name(), CameTo::Refused(error.variant()));
}

/// The store did not answer a verb, or refused it.
pub(super) fn store_failed(operation: &Cow<'static, str>, verb: &'static str, error: &StoreError) {
    #[cfg(feature = "tracing")]
    {
        tracing::warn!(%operation, verb, %error, "store error");
        // A store's own words may quote what it was asked.
        let cause = std::error::Error::source(error).map(tracing::field::display);
        tracing::debug!(%operation, verb, cause, "store error");
    }
    count("idem_store_errors_total", operation, "verb", verb);
    let _ = error;
}

fn count(counter: &'static str, operation: &Cow<'static, str>, label: &'static str, value: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(counter, "operation" => operation.clone(), label => value).increment(1);
    let _ = (counter, operation, label, value);
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({})", self.operation)
    }
}
