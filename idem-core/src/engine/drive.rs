//! Polling the body and keeping its lease.

use std::future::{poll_fn, Future};
use std::pin::Pin;

use super::call::{Call, Stage};
use super::observe::{Timer, Took};

impl Call {
    /// Runs the body to its end. The lease is renewed from the body's first pause on, for as long as this is polled.
    pub(crate) async fn drive<F: Future>(&mut self, body: Pin<&mut F>) -> F::Output {
        if let Stage::Granted(lease) = self.stage {
            self.stage = Stage::Running(lease);
        }
        if self.unguarded {
            self.engine.unguarded();
        }
        let timer = Timer::start();
        let output = self.keep(body).await;
        self.watch.took(Took::Body, timer);
        output
    }

    /// Polls a part of this call to its end and keeps the lease meanwhile.
    pub(super) async fn keep<F: Future>(&mut self, mut work: Pin<&mut F>) -> F::Output {
        poll_fn(|cx| {
            self.polling = true;
            let output = self.watch.within(|| self.run.poll(|| work.as_mut().poll(cx)));
            self.polling = false;
            if output.is_pending() {
                let (renewal, make) = self.renewing();
                renewal.poll(make, cx);
            }
            output
        })
        .await
    }
}
