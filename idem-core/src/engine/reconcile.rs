//! Asking what became of an attempt whose outcome is unknown, in place of the body.

use std::future::Future;
use std::pin::Pin;

use super::guard::{Answered, Boxed, Guard};
use super::rules::Rules;
use crate::error::Error;
use crate::outcome::Kind;
use crate::transition::Ending;

impl Guard {
    /// The first half of a call that can find out what became of an earlier attempt: an answer, or `None` to run the body.
    /// It is asked for only if there is such an attempt.
    pub(crate) async fn begin_reconciling<F, T, E>(
        &mut self,
        rules: &Rules<T, E>,
        ask: impl FnOnce() -> Option<F>,
    ) -> Result<Option<Answered<T, E>>, Error>
    where
        F: Future<Output = Result<Option<T>, E>>,
    {
        if let Some(answer) = self.begin(rules).await? {
            return Ok(Some(answer));
        }
        let must_ask = self.call.as_ref().is_some_and(|call| call.must_ask());
        match must_ask.then(ask).flatten() {
            // Rare, and would be room in every call that could ask.
            Some(ask) => Box::pin(self.reconcile(rules, Box::pin(ask))).await,
            None => Ok(None),
        }
    }

    /// Asks. The body has not begun, so whatever goes wrong here withdraws the claim: the outcome stays unknown.
    async fn reconcile<F, T, E>(
        &mut self,
        rules: &Rules<T, E>,
        mut ask: Pin<Box<F>>,
    ) -> Result<Option<Answered<T, E>>, Error>
    where
        F: Future<Output = Result<Option<T>, E>>,
    {
        let Some(call) = &mut self.call else {
            return Ok(None);
        };
        let answer = match call.keep(ask.as_mut()).await {
            Ok(Some(value)) => {
                let ending = call.success(rules, &value);
                call.end(ending);
                Ok(value)
            }
            Err(error) => {
                call.end(Ending::Withdrawn);
                Err(error)
            }
            Ok(None) => {
                call.run.forgive();
                drop(ask);
                // It did not happen. If the lease ran out over that answer, it holds only if nobody had the key meanwhile.
                return self.resume(rules).await;
            }
        };
        // What it answered is safe, should its drop panic.
        drop(ask);
        let record: Boxed<'_, _> = Box::pin(call.record());
        let theirs = record.await;
        Ok(Some(call.answer_with(rules, theirs, answer, Kind::Reconciled)))
    }
}
