//! How a run ends: the second table of the contract.

use std::sync::Arc;
use std::task::{Context, Wake};
use std::time::Duration;

use super::begin::Begin;
use super::call::{Call, Stage};
use super::replay::Replay;
use super::spawn::Task;
use super::wait::{self, Backoff};
use crate::clock::{later, sleep_until, Instant};
use crate::error::{Error, StoreError};
use crate::outcome::Kind;
use crate::record::Payload;
use crate::transition::{Ending, Held};

/// What became of an ending.
pub(super) enum Landed {
    /// The record knows, or somebody else's goes before it, or the store refuses to.
    Over,
    /// The key was lost, and this is the recorded result.
    Theirs(Payload),
    /// The store did not answer in time.
    NotYet,
}

impl Call {
    /// Writes down how the body ended and gives its outcome back, or the recorded one that goes before it.
    pub(crate) async fn finish<T, E>(&mut self, outcome: Result<T, E>, replay: Replay<T>) -> (Result<T, E>, Kind) {
        let ending = match &outcome {
            Ok(value) => Ending::Completed(replay.record(value, self.engine.settings.codec)),
            Err(_) => Ending::Released,
        };
        self.ending = Some(ending);
        let limit = self.op.store_timeout;
        match (Box::pin(self.land(limit)).await, outcome) {
            (Landed::Theirs(payload), Ok(value)) => match replay.replay(&payload) {
                Ok(recorded) => (Ok(recorded), Kind::Replayed),
                Err(_) => (Ok(value), Kind::Executed),
            },
            // What did not land does so after the call, when its guard is dropped.
            (_, outcome) => (outcome, Kind::Executed),
        }
    }

    /// Sends the ending until it lands, is refused, or `limit` is over.
    pub(super) async fn land(&mut self, limit: Duration) -> Landed {
        let mut backoff = Backoff::new();
        let mut until = None;
        while let Some(ending) = self.ending.clone() {
            let failure = match self.send(&ending).await {
                Ok(Held::Held) => return self.landed(ending),
                Ok(Held::Lost) if !matches!(ending, Ending::Completed(_)) => return self.over(),
                // Once more through the first table, as a new claim, with the outcome standing in for the body.
                Ok(Held::Lost) => match self.begin().await {
                    Ok(Begin::Run) => continue,
                    Ok(Begin::Answer(payload, _)) => {
                        self.over();
                        return Landed::Theirs(payload);
                    }
                    Err(Error::Store { source, .. }) => source,
                    Err(_) => return self.over(),
                },
                Err(failure) => failure,
            };
            if !failure.is_retryable() {
                return self.over();
            }
            let now = Instant::now();
            if *until.get_or_insert_with(|| later(now, limit)) <= now {
                return Landed::NotYet;
            }
            sleep_until(later(now, backoff.next())).await;
        }
        Landed::Over
    }

    /// Sends the ending once. A call that has not the key any more has lost it.
    async fn send(&mut self, ending: &Ending) -> Result<Held, StoreError> {
        let Some(owner) = self.owner() else {
            return Ok(Held::Lost);
        };
        let answer = self.engine.store.finish(&self.op.key, owner, ending.clone());
        let held = wait::answer(answer, self.op.store_timeout).await?;
        if held == Held::Lost {
            self.stage = Stage::Outside;
            self.slot = None;
        }
        Ok(held)
    }

    /// The record knows the ending; so do all who wait for this call.
    fn landed(&mut self, ending: Ending) -> Landed {
        if let (Some(slot), Ending::Completed(completion)) = (&self.slot, ending) {
            slot.recorded(completion);
        }
        self.over()
    }

    fn over(&mut self) -> Landed {
        self.stage = Stage::Outside;
        self.ending = None;
        self.slot = None;
        Landed::Over
    }

    /// Ends a call whose caller is gone, in the way its stage calls for. A store in memory knows before this returns; for
    /// others there must be something to spawn on, and without that the lease runs out.
    pub(super) fn wind_up(mut self: Box<Self>) {
        let ending = match (self.ending.take(), self.stage) {
            (Some(ending), _) => ending,
            (None, Stage::Outside) => return,
            (None, Stage::Claiming(_) | Stage::Granted(_)) => Ending::Withdrawn,
            (None, Stage::Running(_)) => Ending::Abandoned,
        };
        self.ending = Some(ending);
        let engine = Arc::clone(&self.engine);
        let mut landing: Task = Box::pin(async move {
            let limit = self.op.ttl;
            self.land(limit).await;
        });
        if landing.as_mut().poll(&mut Context::from_waker(&Arc::new(Nobody).into())).is_pending() {
            engine.spawn(landing);
        }
    }
}

/// Wakes nobody: what is polled with it is either done at once or polled again by an executor.
struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}
