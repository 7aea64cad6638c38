//! Runs that go on when their caller is gone.

use std::any::Any;
use std::future::{poll_fn, Future};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::oneshot;

use super::guard::{Answer, Guard};
use super::observe;
use super::rules::Rules;
use crate::context::inherit;
use crate::error::Error;

impl Guard {
    /// Whether there is a way to run detached, asked before the store is.
    pub(crate) fn can_detach(&mut self) -> Result<(), Error> {
        if self.engine.can_spawn() {
            return Ok(());
        }
        let reason = "`detached` needs a tokio runtime, or a spawner given to the Idem's builder";
        let error = Error::config(self.name.clone(), reason);
        match &mut self.call {
            Some(call) => call.refused(&error),
            None => observe::refused(&error),
        }
        Err(error)
    }

    /// The second half in a task of its own: body and record. The first half is the caller's: until the key is granted
    /// there is nothing that must not be dropped.
    pub(crate) async fn run_detached<F, T, E>(self, rules: Rules<T, E>, body: Pin<Box<F>>) -> Answer<T, E>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let (engine, operation) = (Arc::clone(&self.engine), self.name.clone());
        let (result, caller) = oneshot::channel();
        // A call without a key has no run of its own: its body is part of the one around it.
        let run = inherit(to_its_end(self, rules, body));
        engine.spawn(Box::pin(async move {
            let ended = run.await;
            // The caller may be gone; the record is what counts.
            let _ = result.send(ended);
        }));
        match caller.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(panic)) => resume_unwind(panic),
            // The executor dropped the task: it is shutting down.
            Err(_) => Err(Error::ShuttingDown { operation }),
        }
    }
}

/// Runs the body and its record. A panic of the body's is handed over after its run was given up.
async fn to_its_end<F, T, E>(
    mut guard: Guard,
    rules: Rules<T, E>,
    mut body: Pin<Box<F>>,
) -> Result<Answer<T, E>, Box<dyn Any + Send>>
where
    F: Future<Output = Result<T, E>>,
{
    let ended = {
        let mut run = pin!(async {
            // The executor may have been busy for a lease or more.
            match guard.resume(&rules).await? {
                Some(answer) => Ok(answer),
                None => Ok(guard.run(&rules, body.as_mut()).await),
            }
        });
        poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
            Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panic)),
        })
        .await
    };
    // Its drop takes nothing back.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(body)));
    ended
}
