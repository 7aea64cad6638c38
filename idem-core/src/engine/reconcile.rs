//! Asking what became of an attempt whose outcome is unknown, in place of the body.

use std::future::Future;
use std::pin::Pin;

use super::call::Call;
use super::guard::{Answered, Boxed, Guard};
use super::observe::CameTo;
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
        let unknown = self.call.as_ref().and_then(|call| call.after_unknown());
        match unknown.and_then(|_| ask()) {
            Some(ask) => self.reconcile(rules, Box::pin(ask)).await,
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
        let before = call.after_unknown().map(|lease| lease.fence);
        let asked = call.keep(ask.as_mut()).await;
        drop(ask);
        let (answer, ending) = match asked {
            Ok(Some(value)) => {
                let ending = call.success(rules, &value);
                (Ok(value), ending)
            }
            Err(error) => (Err(error), Ending::Withdrawn),
            Ok(None) if call.is_stale() => return self.again(rules, before).await,
            Ok(None) => return Ok(None),
        };
        call.end(ending);
        let record: Boxed<'_, _> = Box::pin(call.record());
        match record.await.map(|theirs| rules.replay(&theirs, self.engine.form(&call.op.key))) {
            Some(Ok(recorded)) => {
                call.came_to(CameTo::Answered(Kind::Replayed));
                Ok(Some((recorded, Kind::Replayed)))
            }
            _ => {
                call.came_to(if answer.is_ok() { CameTo::Answered(Kind::Reconciled) } else { CameTo::Failed });
                Ok(Some((answer, Kind::Reconciled)))
            }
        }
    }

    /// It did not happen, and the lease ran out over that answer. It holds if nobody had the key meanwhile.
    async fn again<T, E>(&mut self, rules: &Rules<T, E>, before: Option<u64>) -> Result<Option<Answered<T, E>>, Error> {
        let answer = self.begin(rules).await?;
        let lease = self.call.as_ref().and_then(|call| call.after_unknown());
        match (lease, &mut self.call) {
            (Some(lease), Some(call)) if Some(lease.fence) != before => {
                call.told = true;
                Err(call.lost_meanwhile())
            }
            _ => Ok(answer),
        }
    }
}

impl Call {
    /// Another attempt went by, and what became of that one was not asked.
    fn lost_meanwhile(&self) -> Error {
        self.op.in_progress(std::time::Duration::ZERO, self.op.lease)
    }
}
