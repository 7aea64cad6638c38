//! Spans and events through `tracing`, counters and durations through `metrics`.
//!
//! A key or a result appears in them at level `debug` or below only.
#![allow(clippy::ptr_arg)] // A static name is not copied for a label.

use std::borrow::Cow;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Duration;

#[cfg(feature = "metrics")]
use crate::clock::Instant;
use crate::error::{Error, StoreError};
use crate::key::Key;
use crate::outcome::Kind;

/// How a call ended for its caller. Each call reports exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    Answered(Kind),
    /// The body returned an error.
    Failed,
    Refused(&'static str),
    /// The caller dropped the call.
    Cancelled,
    Panicked,
}

/// What can happen during a call, besides its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The store granted the lease after an attempt with an unknown outcome.
    TakenOver,
    LeaseLost,
    /// A renewal was sent this much too late, because the call was not polled.
    Starved(Duration),
    /// The store did not acknowledge the outcome while the caller waited. It is sent again in the background.
    NotRecorded,
    /// The store did not acknowledge the outcome in the background either.
    GaveUp,
    /// A success was recorded without its result.
    Unreplayable,
}

/// A part of a call that is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timing {
    Claim,
    Wait,
    Body,
    Ending,
}

impl CallOutcome {
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

    /// The event's text, for a human to search for.
    #[cfg(feature = "tracing")]
    const fn sentence(self) -> &'static str {
        match self {
            Self::Answered(Kind::Executed) => "call executed",
            Self::Answered(Kind::Attached) => "call got the result of a running call",
            Self::Answered(Kind::Replayed) => "call replayed",
            Self::Answered(Kind::Reconciled) => "call reconciled",
            Self::Answered(Kind::Unguarded) => "call ran unguarded",
            Self::Failed => "call failed",
            Self::Refused(_) => "call refused",
            Self::Cancelled => "call cancelled",
            Self::Panicked => "call panicked",
        }
    }
}

impl Event {
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

    #[cfg(feature = "tracing")]
    const fn sentence(self) -> &'static str {
        match self {
            Self::TakenOver => "key taken over after an unknown outcome",
            Self::LeaseLost => "lease lost",
            Self::Starved(_) => "lease renewed late: the call was not polled",
            Self::NotRecorded => "outcome not recorded yet: sent again in the background",
            Self::GaveUp => "outcome not recorded: gave up",
            Self::Unreplayable => "success recorded without its result",
        }
    }
}

impl Timing {
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

/// The span of one call. Reports the call's outcome exactly once.
pub(crate) struct CallSpan {
    operation: Cow<'static, str>,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
    outcome_reported: bool,
    /// Whether a part of the call is being polled. A call that is dropped meanwhile has panicked.
    in_poll: bool,
}

impl CallSpan {
    pub(crate) fn new(operation: Cow<'static, str>, key: &Key) -> Self {
        let _ = key;
        #[cfg(feature = "tracing")]
        let span = {
            let span = tracing::info_span!("idempotent", %operation, attempt = tracing::field::Empty);
            tracing::debug!(parent: &span, key = %key.readable(), "call started");
            span
        };
        Self {
            operation,
            #[cfg(feature = "tracing")]
            span,
            outcome_reported: false,
            in_poll: false,
        }
    }

    fn within<T>(&self, part: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tracing")]
        return self.span.in_scope(part);
        #[cfg(not(feature = "tracing"))]
        part()
    }

    /// Polls a part of the call in its span.
    pub(crate) fn poll<T>(&mut self, part: impl FnOnce() -> T) -> T {
        self.in_poll = true;
        let polled = self.within(part);
        self.in_poll = false;
        polled
    }

    /// The store granted the lease.
    pub(crate) fn granted(&self, attempt: u32) {
        let _ = attempt;
        #[cfg(feature = "tracing")]
        self.span.record("attempt", attempt);
    }

    pub(crate) fn outcome(&mut self, outcome: CallOutcome) {
        self.outcome_reported = true;
        catch_panic(|| self.within(|| call_outcome(&self.operation, outcome)));
    }

    pub(crate) fn refused(&mut self, error: &Error) {
        self.outcome_reported = true;
        report_refusal(error);
    }

    /// The call is dropped. If it has reported no outcome, it was cancelled or has panicked.
    pub(crate) fn dropped(&mut self) {
        if !self.outcome_reported {
            self.outcome(if self.in_poll { CallOutcome::Panicked } else { CallOutcome::Cancelled });
        }
    }

    pub(crate) fn event(&self, event: Event) {
        let (operation, name) = (&*self.operation, event.name());
        #[cfg(feature = "tracing")]
        catch_panic(|| {
            let sentence = event.sentence();
            self.within(|| match event {
                Event::Starved(late) => tracing::warn!(operation, event = name, ?late, "{sentence}"),
                Event::GaveUp => tracing::error!(operation, event = name, "{sentence}"),
                _ => tracing::warn!(operation, event = name, "{sentence}"),
            });
        });
        catch_panic(|| count("idem_events_total", &self.operation, "event", name));
        let _ = (operation, name);
    }

    pub(crate) fn store_failed(&self, verb: &'static str, error: &StoreError) {
        catch_panic(|| self.within(|| store_failed(&self.operation, verb, error)));
    }

    pub(crate) fn record_duration(&self, timing: Timing, timer: Timer) {
        #[cfg(feature = "metrics")]
        catch_panic(|| {
            let operation = self.operation.clone();
            metrics::histogram!(timing.name(), "operation" => operation).record(timer.began.elapsed().as_secs_f64());
        });
        let _ = (timing, timer);
    }
}

/// A panicking subscriber or recorder must not affect the call.
fn catch_panic(observe: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(observe));
}

/// When something began, if durations are recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer {
    #[cfg(feature = "metrics")]
    began: Instant,
}

impl Timer {
    pub(crate) fn start() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            began: Instant::now(),
        }
    }
}

/// Reports the outcome of a call. A call that is answered without a request has no span.
pub(crate) fn call_outcome(operation: &Cow<'static, str>, outcome: CallOutcome) {
    let name = outcome.name();
    #[cfg(feature = "tracing")]
    {
        let sentence = outcome.sentence();
        match outcome {
            CallOutcome::Answered(Kind::Unguarded) | CallOutcome::Panicked => {
                tracing::warn!(%operation, outcome = name, "{sentence}")
            }
            CallOutcome::Refused(_) | CallOutcome::Cancelled => {
                tracing::info!(%operation, outcome = name, "{sentence}")
            }
            CallOutcome::Answered(_) | CallOutcome::Failed => {
                tracing::debug!(%operation, outcome = name, "{sentence}")
            }
        }
    }
    count("idem_calls_total", operation, "outcome", name);
}

/// Reports that a call was refused.
pub(crate) fn report_refusal(error: &Error) {
    call_outcome(error.name(), CallOutcome::Refused(error.variant()));
}

/// The store did not answer a request, or refused it.
pub(crate) fn store_failed(operation: &Cow<'static, str>, verb: &'static str, error: &StoreError) {
    #[cfg(feature = "tracing")]
    {
        tracing::warn!(%operation, verb, %error, "store request failed");
        // At `debug` only, because the text of a store's error may quote a key or a result.
        let cause = std::error::Error::source(error).map(tracing::field::display);
        tracing::debug!(%operation, verb, cause, "store request failed");
    }
    count("idem_store_errors_total", operation, "verb", verb);
    let _ = error;
}

fn count(counter: &'static str, operation: &Cow<'static, str>, label: &'static str, value: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(counter, "operation" => operation.clone(), label => value).increment(1);
    let _ = (counter, operation, label, value);
}
