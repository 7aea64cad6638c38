//! How a run ends: the second table of the contract.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use super::begin::Begin;
use super::call::{Call, Stage};
use super::lease::Renewal;
use super::observe::{CameTo, Happened, Timer, Took};
use super::rules::Rules;
use super::wait::{self, Backoff, Patience};
use crate::clock::{later, sleep_until, Instant};
use crate::error::{Error, StoreError};
use crate::record::{Completion, Payload};
use crate::transition::{Ending, Finish, Ownership};

/// What became of an ending.
enum Landed {
    /// There is nothing left to do.
    Over,
    /// The key was lost, and this is the recorded result.
    Theirs(Payload),
    /// The store did not answer in time.
    NotYet,
}

impl Call {
    /// Takes down how the body ended. Until the store knows, this call does.
    pub(super) fn conclude<T, E>(&mut self, outcome: &Result<T, E>, rules: &Rules<T, E>) {
        self.end(rules.ending(outcome, self.run.was_refused(), self.engine.form(&self.op.key)));
    }

    /// How a success is recorded that no rule has to judge.
    pub(super) fn success<T, E>(&self, rules: &Rules<T, E>, value: &T) -> Ending {
        Ending::Completed(rules.replay.record(value, self.engine.form(&self.op.key)))
    }

    pub(super) fn end(&mut self, ending: Ending) {
        if let Ending::Completed(Completion::Unreplayable) = ending {
            self.watch.happened(Happened::Unreplayable);
        }
        if let (Some(slot), true) = (&self.slot, self.may_land(&ending)) {
            // Known to be done: nobody in this process takes over while that lands.
            slot.done();
        }
        self.run.body_ended();
        self.ending = Some(ending);
    }

    /// Whether it is a success that is sent until it lands. One that nothing guarded is, if a claim may have been granted.
    const fn may_land(&self, ending: &Ending) -> bool {
        matches!(ending, Ending::Completed(_)) && !(self.unguarded && matches!(self.stage, Stage::Outside))
    }

    /// Writes it into the record, as far as that is possible while the caller waits. If the key was lost meanwhile, this is
    /// the recorded result that goes before this call's own.
    pub(super) async fn record(&mut self) -> Option<Payload> {
        // What does not land now does so after the call, when its guard is dropped.
        let timer = Timer::start();
        let landed = self.land(self.op.store_timeout, Caller::Waits).await;
        self.watch.took(Took::Ending, timer);
        if let Landed::NotYet = landed {
            self.watch.happened(Happened::NotRecorded);
        }
        self.run.end();
        match landed {
            Landed::Theirs(payload) => Some(payload),
            Landed::Over | Landed::NotYet => None,
        }
    }

    /// Sends the ending, and renews the lease of a body that has ended, until the record knows, somebody else's goes before
    /// it, or `limit` is over.
    async fn land(&mut self, limit: Duration, caller: Caller) -> Landed {
        let until = later(Instant::now(), limit);
        let mut patience = Patience::new(self.op.wait);
        let mut backoff = Backoff::landing();
        let mut reclaimed = false;
        // Whatever becomes of its claim meanwhile: this process knows of the success.
        let lands = self.ending.as_ref().is_some_and(|ending| self.may_land(ending));
        while let Some(ending) = self.ending.clone() {
            let had_the_key = matches!(self.stage, Stage::Granted(_) | Stage::Running(_));
            let mut sent = self.send(&ending).await;
            // A store that will not hold the result is told at least that there was one, and may know that the key is lost.
            let without = Ending::Completed(Completion::Unreplayable);
            let refused = sent.as_ref().err().filter(|error| !error.is_retryable());
            if let (Some(error), Ending::Completed(_), true) = (refused, &ending, ending != without) {
                self.in_doubt = true;
                if let Ok(held) = self.send(&without).await {
                    self.watch.store_failed("finish", error);
                    if held == Ownership::Held {
                        self.watch.happened(Happened::Unreplayable);
                        return self.landed(without);
                    }
                    sent = Ok(held);
                }
            }
            match &sent {
                Ok(Ownership::Lost) if had_the_key => self.lost(),
                Err(error) => self.watch.store_failed("finish", error),
                Ok(_) => {}
            }
            match (sent, &ending) {
                (Ok(Ownership::Held), _) => return self.landed(ending),
                // Once more through the first table, as a new claim, with the outcome standing in for the body.
                (Ok(Ownership::Lost), _) if lands => match Box::pin(self.begin(&mut patience)).await {
                    // At once, but not again and again: a store that grants and forgets must not be asked without a pause.
                    Ok(Begin::Run) if !std::mem::replace(&mut reclaimed, true) => continue,
                    Ok(Begin::Run | Begin::RunUnguarded) => {}
                    Ok(Begin::Answer(payload, _)) => {
                        self.over();
                        return Landed::Theirs(payload);
                    }
                    Err(Error::Store { .. }) => {}
                    Err(_) => return self.over(),
                },
                (Ok(Ownership::Lost), _) if !self.claim_may_come() => return self.over(),
                // The claim has not come so far, and may never come: those who wait for it here may as well ask for themselves.
                (Ok(Ownership::Lost), _) => self.slot = None,
                (Err(failure), _) if failure.is_retryable() => {}
                (Err(_), Ending::Completed(_)) => {
                    // Nobody waits for a refusal to change; but done stays done, so it is asked again later.
                    if caller == Caller::Waits {
                        return Landed::NotYet;
                    }
                }
                (Err(_), _) => return self.over(),
            }
            let now = Instant::now();
            if until <= now {
                return Landed::NotYet;
            }
            let (renewal, make) = self.renewing();
            renewal.beside(make, sleep_until(later(now, backoff.next()).min(until))).await;
        }
        Landed::Over
    }

    /// Sends an ending once. A call that has not the key any more has lost it.
    pub(super) async fn send(&mut self, ending: &Ending) -> Result<Ownership, StoreError> {
        let Some(finish) = self.finish_with(ending) else {
            return Ok(Ownership::Lost);
        };
        let mut held = self.deliver(&finish).await?;
        if let (Ownership::Lost, Ending::Completed(_), Some(_)) = (held, ending, finish.fence) {
            // Perhaps to a copy of this call's own claim, under which nobody runs: a success is one all the same.
            held = self.deliver(&finish.fence(None)).await?;
        }
        // A success asks for the key again, and with the token that it asked with before: it is one claim.
        let asks_again = matches!((ending, self.stage), (Ending::Completed(_), Stage::Claiming(..)));
        if held == Ownership::Lost && !asks_again && !self.claim_may_come() {
            self.stage = Stage::Outside;
        }
        Ok(held)
    }

    async fn deliver(&mut self, finish: &Finish) -> Result<Ownership, StoreError> {
        let (store, key, limit) = (Arc::clone(&self.engine.store), self.op.key.clone(), self.op.store_timeout);
        let (renewal, make) = self.renewing();
        let answer = pin!(async { store.finish(&key, finish).await });
        let answer = pin!(wait::answer(answer, limit));
        renewal.beside(make, answer).await
    }

    /// The ending of what this call was granted, as far as it knows.
    fn finish_with(&self, ending: &Ending) -> Option<Finish> {
        let fence = match self.stage {
            Stage::Granted(lease) | Stage::Running(lease) => Some(lease.fence),
            Stage::Outside | Stage::Claiming(..) => None,
        };
        Some(Finish::new(self.owner()?, ending.clone()).fence(fence))
    }

    /// Whether a claim that was sent may still reach the store: then losing to nobody is not the last word.
    fn claim_may_come(&self) -> bool {
        matches!(self.stage, Stage::Claiming(_, sent) if Instant::now() < later(sent, self.op.lease))
    }

    /// The record knows the ending; so do all who wait for this call, unless they have to ask which it is.
    fn landed(&mut self, ending: Ending) -> Landed {
        // Of a claim whose answer was not heard, only the store knows which request it was for.
        let ask = self.in_doubt || matches!(self.stage, Stage::Claiming(..));
        if let (Some(slot), Ending::Completed(completion), false) = (&self.slot, ending, ask) {
            slot.recorded(completion, self.op.ttl);
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
        self.run.end();
        if !self.told {
            self.came_to(if self.polling { CameTo::Panicked } else { CameTo::Cancelled });
        }
        let ending = match (self.ending.take(), self.stage) {
            // Nobody asked what became of an attempt before this one, which had no effect: that is as it was.
            (Some(Ending::Failed), Stage::Claiming(..)) if self.unguarded => Ending::Withdrawn,
            (Some(ending), _) => ending,
            (None, Stage::Outside) => return,
            (None, Stage::Claiming(..)) if self.unguarded => Ending::Unknown,
            (None, Stage::Claiming(..) | Stage::Granted(_)) => Ending::Withdrawn,
            (None, Stage::Running(_)) => Ending::Unknown,
        };
        let limit;
        (self.renewal, limit) = match ending {
            // The claim may still have been granted, and then this is the record. For anything but a success nobody waits.
            _ if self.unguarded => {
                if !self.may_land(&ending) {
                    self.slot = None;
                }
                (Renewal::Over, self.op.lease)
            }
            Ending::Completed(_) | Ending::Failed => (Renewal::NotYet, self.op.ttl),
            // A lease that runs out says the same: nothing is renewed, and nothing sent beyond it.
            Ending::Withdrawn | Ending::Unknown => (Renewal::Over, self.op.lease),
        };
        self.ending = Some(ending);
        // In a drop, perhaps of a body that panics: a second panic would end the process.
        let _ = catch_unwind(AssertUnwindSafe(move || {
            if !self.lands_at_once() {
                let engine = Arc::clone(&self.engine);
                engine.spawn(Box::pin(async move {
                    if let Landed::NotYet = self.land(limit, Caller::Gone).await {
                        self.watch.happened(Happened::GaveUp);
                    }
                }));
            }
        }));
    }

    /// Sends the ending to a store that answers without waiting, as one in memory does.
    fn lands_at_once(&mut self) -> bool {
        let Some(finish) = self.ending.as_ref().and_then(|ending| self.finish_with(ending)) else {
            return false;
        };
        // A store that panics has not answered.
        let answer = catch_unwind(AssertUnwindSafe(|| {
            let mut answer = self.engine.store.finish(&self.op.key, &finish);
            answer.as_mut().poll(&mut Context::from_waker(&Arc::new(Nobody).into()))
        }));
        match (answer, &finish.ending) {
            (Ok(Poll::Ready(Ok(Ownership::Held))), _) => {
                self.landed(finish.ending);
                true
            }
            (Ok(Poll::Ready(Ok(Ownership::Lost))), Ending::Failed | Ending::Unknown) => !self.claim_may_come(),
            _ => false,
        }
    }
}

/// Whether somebody waits for an ending to land.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    Waits,
    Gone,
}

/// Wakes nobody: what is polled with it is either done at once or polled again by an executor.
struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}
