//! Polling the body and keeping its lease.

use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::task::Context;

use super::call::{Call, Stage};
use super::lease;
use super::spawn::Task;

impl Call {
    /// Runs the body to its end. The lease is renewed from the body's first pause on, for as long as this is polled.
    pub(crate) async fn drive<F: Future>(&mut self, mut body: Pin<&mut F>) -> F::Output {
        if let Stage::Granted(lease) = self.stage {
            self.stage = Stage::Running(lease);
        }
        let mut renewal = Renewal::NotYet;
        poll_fn(|cx| {
            let output = self.run.poll(|| body.as_mut().poll(cx));
            if output.is_pending() {
                renewal.poll(self, cx);
            }
            output
        })
        .await
    }
}

/// The lease's renewal, made when the body first pauses: most bodies of a microsecond need none.
enum Renewal {
    NotYet,
    Going(Task),
    /// The key is somebody else's. The body goes on all the same, and its ending finds out.
    Over,
}

impl Renewal {
    fn poll(&mut self, call: &Call, cx: &mut Context<'_>) {
        if let Self::NotYet = self {
            *self = match (call.stage, &call.slot) {
                (Stage::Running(lease), Some(slot)) => {
                    Self::Going(Box::pin(lease::renew(call.engine.clone(), call.op.clone(), lease, slot.clone())))
                }
                _ => Self::Over,
            };
        }
        if let Self::Going(renewal) = self {
            if renewal.as_mut().poll(cx).is_ready() {
                *self = Self::Over;
            }
        }
    }
}
