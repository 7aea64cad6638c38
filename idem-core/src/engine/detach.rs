//! Tasks that outlive the caller: outcomes that are recorded in the background, and detached bodies.

use std::any::Any;
use std::fmt;
use std::future::{poll_fn, Future};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::oneshot;

use super::guard::{Answer, Guard};
use super::Engine;
use crate::context::inherit;
use crate::error::Error;
use crate::results::OutcomePolicy;
use crate::telemetry;

/// Work that outlives the call that made it.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The spawn function of the `Idem`'s builder, for executors other than tokio.
#[derive(Clone)]
pub(crate) struct Spawner(Arc<dyn Fn(Task) + Send + Sync>);

impl Spawner {
    pub(crate) fn new(spawn: impl Fn(Task) + Send + Sync + 'static) -> Self {
        Self(Arc::new(spawn))
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawner")
    }
}

impl Engine {
    /// Spawns `task` with the builder's spawner, else on the current tokio runtime. Without either, drops the task.
    pub(super) fn spawn(&self, task: Task) {
        if let Some(Spawner(spawn)) = &self.spawner {
            spawn(task);
        } else if let Ok(tokio) = tokio::runtime::Handle::try_current() {
            drop(tokio.spawn(task));
        }
    }

    /// Whether there is a spawner or a current tokio runtime.
    pub(super) fn can_spawn(&self) -> bool {
        self.spawner.is_some() || tokio::runtime::Handle::try_current().is_ok()
    }
}

impl Guard {
    /// Refuses the call if it cannot spawn a task. Called before the first request to the store.
    pub(crate) fn can_detach(&mut self) -> Result<(), Error> {
        if self.engine.can_spawn() {
            return Ok(());
        }
        let reason = "`detached` needs a tokio runtime, or a spawner given to the Idem's builder";
        let error = Error::config(self.name.clone(), reason);
        match &mut self.call {
            Some(call) => call.span.refused(&error),
            None => telemetry::report_refusal(&error),
        }
        Err(error)
    }

    /// Runs the second half, body and record, in a task of its own. The first half runs in the caller's future: a drop before
    /// the grant only withdraws the claim.
    pub(crate) async fn run_detached<F, T, E>(self, policy: OutcomePolicy<T, E>, body: Pin<Box<F>>) -> Answer<T, E>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let (engine, operation) = (Arc::clone(&self.engine), self.name.clone());
        let (result, caller) = oneshot::channel();
        // The task inherits the context, because the body of a call without a key is part of the call around it.
        let run = inherit(to_its_end(self, policy, body));
        engine.spawn(Box::pin(async move {
            let ended = run.await;
            // The caller may have been dropped. The outcome is recorded all the same.
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

/// Runs the body and records its outcome. Returns a panic of the body after `guard` has ended the call in the store.
async fn to_its_end<F, T, E>(
    mut guard: Guard,
    policy: OutcomePolicy<T, E>,
    mut body: Pin<Box<F>>,
) -> Result<Answer<T, E>, Box<dyn Any + Send>>
where
    F: Future<Output = Result<T, E>>,
{
    let ended = {
        let mut run = pin!(async {
            // The executor may start this task after the lease has expired.
            match guard.resume(&policy).await? {
                Some(answer) => Ok(answer),
                None => Ok(guard.run(&policy, body.as_mut()).await),
            }
        });
        poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
            Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panic)),
        })
        .await
    };
    // A panic in the body's drop must not change the answer. Test:
    // `a_detached_body_that_panics_in_its_drop_is_not_shutting_down`.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(body)));
    ended
}
