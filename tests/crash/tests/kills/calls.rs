//! The functions that are called: the same body under each policy.

use std::time::Duration;

use idem::{current, idempotent, with_outcome, Error, Idem, Kind};
use idem_crash_tests::{Effect, World};
use idem_store_tests::say;

use crate::park::Park;
use crate::scene::{How, Policy, Spot};

/// A call.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) idem: Idem,
    pub(crate) policy: Policy,
    pub(crate) key: String,
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
    pub(crate) world: World,
    pub(crate) park: Park,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("a former owner is no longer listened to")]
    Stale,
    #[error(transparent)]
    Idempotency(#[from] Error),
}

type Answer = Result<String, Failure>;

/// The names of the operations.
pub(crate) const fn name(policy: Policy) -> &'static str {
    match policy {
        Policy::Again => "crash.again",
        Policy::Once => "crash.once",
        Policy::Ask => "crash.ask",
    }
}

#[idempotent(name = "crash.again", key = job.key, idem = job.idem, lease = job.lease, wait = job.wait)]
async fn again(job: Job) -> Answer {
    job.body().await
}

#[idempotent(name = "crash.once", key = job.key, idem = job.idem, lease = job.lease, wait = job.wait, at_most_once)]
async fn once(job: Job) -> Answer {
    job.body().await
}

#[idempotent(name = "crash.ask", key = job.key, idem = job.idem, lease = job.lease, wait = job.wait,
    reconcile = job.clone().look())]
async fn ask(job: Job) -> Answer {
    job.body().await
}

// No process calls an operation both ways: the names are taken once.

#[idempotent(name = "crash.again", key = job.key, idem = job.idem, lease = job.lease, wait = job.wait, detached)]
async fn again_detached(job: Job) -> Answer {
    job.body().await
}

#[idempotent(name = "crash.once", key = job.key, idem = job.idem, lease = job.lease, wait = job.wait, at_most_once, detached)]
async fn once_detached(job: Job) -> Answer {
    job.body().await
}

#[idempotent(name = "crash.ask", key = job.key, idem = job.idem, lease = job.lease, wait = job.wait,
    reconcile = job.clone().look(), detached)]
async fn ask_detached(job: Job) -> Answer {
    job.body().await
}

impl Job {
    async fn body(self) -> Answer {
        let Self { park, policy, world, key, .. } = self;
        // There is none where nothing is guarded, as in the control.
        let (fence, attempt) = current().map_or((0, 0), |me| (me.fencing_token(), me.attempt()));
        let effect = Effect { fence, attempt, pid: std::process::id() };
        park.at(Spot::Begun).await;
        // Who asks whether it was done needs a world in which the answer stays true.
        if world.act(&key, &effect, policy == Policy::Ask).is_err() {
            return Err(Failure::Stale);
        }
        park.at(Spot::Done).await;
        if park.waits_for_renewal() {
            park.gone().await;
        }
        if park.how() == How::Dropped {
            park.leave().await;
            // Its caller's place is where it ends.
            std::future::pending::<()>().await;
        }
        Ok(effect.to_string())
    }

    /// What became of the attempt before.
    async fn look(self) -> Result<Option<String>, Failure> {
        let fence = current().expect("under a lease").fencing_token();
        self.park.at(Spot::AskBegun).await;
        let found = self.world.look(&self.key, fence);
        self.park.at(Spot::AskLooked).await;
        Ok(found.map(|effect| effect.to_string()))
    }

    /// Calls the function.
    pub(crate) async fn call(self) -> (Answer, Option<Kind>) {
        let detached = self.park.how() == How::Detached;
        match (self.policy, detached) {
            (Policy::Again, false) => with_outcome(again(self)).await,
            (Policy::Once, false) => with_outcome(once(self)).await,
            (Policy::Ask, false) => with_outcome(ask(self)).await,
            (Policy::Again, true) => with_outcome(again_detached(self)).await,
            (Policy::Once, true) => with_outcome(once_detached(self)).await,
            (Policy::Ask, true) => with_outcome(ask_detached(self)).await,
        }
    }
}

/// What the caller's process knows of the record of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Landed {
    Yes,
    /// The store has not said so in time.
    No,
    /// It has not, and had all the time to.
    Early,
}

/// Says what a call was answered, and whether to call again.
pub(crate) fn tell((answer, kind): (Answer, Option<Kind>), landed: Landed) -> bool {
    match answer {
        Ok(value) => say(format!("answer {:?} {value} {landed:?}", kind.expect("it was guarded"))),
        Err(Failure::Stale) => {
            say("stale");
            return true;
        }
        Err(Failure::Idempotency(error)) => {
            let (variant, again) = refusal(&error);
            say(format!("refused {variant}"));
            return again;
        }
    }
    false
}

/// A word for a refusal, and whether it is worth to call again.
pub(crate) fn refusal(error: &Error) -> (String, bool) {
    let word = match error {
        Error::InProgress { .. } => "InProgress".to_owned(),
        Error::Indeterminate { attempt, .. } => format!("Indeterminate {attempt}"),
        Error::Store { .. } => "Store".to_owned(),
        other => format!("{other:?}"),
    };
    (word, error.is_retryable())
}
