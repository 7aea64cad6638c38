//! Whether to run: the first table of the contract.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use super::call::{Call, Stage};
use super::flight::{Followed, LastHeard, Place, Running, Slot};
use super::guard::Boxed;
use super::lease::{Lease, Renewal};
use super::observe::{Happened, Timer, Took};
use super::wait::{self, Backoff, Patience, LONGEST, SHORTEST};
use super::Engine;
use crate::clock::{later, sleep_until, Instant};
use crate::context::{Granted, Run};
use crate::error::{Applied, Error, StoreError};
use crate::fingerprint::Fingerprint;
use crate::operation::Request;
use crate::outcome::Kind;
use crate::record::{Completed, Completion, Owner, Payload};
use crate::transition::{Claim, Claimed, Ending};

/// What a call does next.
#[derive(Debug)]
pub(crate) enum Begin {
    /// It runs the body.
    Run,
    /// It runs the body, and nothing guards it.
    RunUnguarded,
    /// It answers with a recorded result.
    Answer(Payload, Kind),
}

/// The answers that need no claim: a call from inside its own body, and a result this process has at hand.
pub(crate) fn at_once(engine: &Engine, request: Request<'_>) -> Result<Option<Payload>, Error> {
    if Run::is_inside(engine.id(), request.key) {
        return Err(Error::Reentrant { operation: request.name.clone() });
    }
    let look = || engine.store.peek(request.key).as_ref().map(|completed| recorded(request, completed));
    // A store that panics has nothing at hand.
    match catch_unwind(AssertUnwindSafe(look)) {
        Ok(Some(recorded)) => recorded.map(Some).map_err(|refused| refused.error(request)),
        Ok(None) | Err(_) => Ok(None),
    }
}

/// Why a done operation has no answer to a call.
#[derive(Debug, Clone, Copy)]
enum Refused {
    KeyReused,
    Unreplayable,
}

impl Refused {
    fn error(self, request: Request<'_>) -> Error {
        let operation = request.name.clone();
        match self {
            Self::KeyReused => Error::KeyReused { operation },
            Self::Unreplayable => Error::Unreplayable { operation },
        }
    }
}

/// What a done operation answers to this call.
fn recorded(request: Request<'_>, completed: &Completed) -> Result<Payload, Refused> {
    match &completed.completion {
        _ if !Fingerprint::same_request(request.fingerprint, completed.fingerprint.as_ref()) => Err(Refused::KeyReused),
        Completion::Unreplayable => Err(Refused::Unreplayable),
        Completion::Result(payload) => Ok(payload.clone()),
    }
}

impl Call {
    /// Begins with a patience of its own.
    pub(super) async fn begin_with(&mut self, mut patience: Patience) -> Result<Begin, Error> {
        let begun = self.begin(&mut patience).await;
        if let Some(began) = patience.began() {
            self.watch.took(Took::Wait, began);
        }
        begun
    }

    /// Asks until the call runs, has an answer, or is refused.
    pub(super) async fn begin(&mut self, patience: &mut Patience) -> Result<Begin, Error> {
        // What this call led before is over, and it must not wait for itself. Only one that knows of a success keeps its
        // slot: nobody here runs the body meanwhile.
        let mut last = LastHeard::Nobody;
        loop {
            self.renewal = Renewal::NotYet;
            self.slot = self.slot.take().filter(|_| self.ending.is_some());
            // Longer than a claim takes to fail: a leader that is alive tells its followers so itself.
            let silence = self.op.store_timeout + LONGEST;
            let place = match self.slot.clone().filter(|slot| slot.is_first()) {
                Some(slot) => Place::Leader(slot),
                None => self.engine.flights.join(&self.op.key, self.ending.is_some(), |now| later(now, silence)),
            };
            match place {
                Place::Leader(slot) => {
                    self.enter()?;
                    if let Some(before) = self.slot.replace(Arc::clone(&slot)) {
                        slot.instead_of(&before);
                    }
                    // In a box of its own: who follows has no use for it, and there may be thousands of them.
                    let lead: Boxed<'_, _> = Box::pin(self.lead(&slot, patience, last));
                    if let Some(begin) = lead.await? {
                        return Ok(begin);
                    }
                }
                Place::Follower(flight) => match flight.follow(&self.op, patience, self.may_fail_open()).await? {
                    Followed::Completed(completed, kind) => return self.answer(&completed, kind),
                    Followed::Gone(heard) => last = heard.unwrap_or(last),
                },
            }
        }
    }

    /// Counts this call as under way. One that has a result to record is so already.
    fn enter(&mut self) -> Result<(), Error> {
        if self.under_way.is_none() {
            let calls = &self.engine.calls;
            self.under_way = Some(calls.enter().ok_or_else(|| self.op.shutting_down())?);
        }
        Ok(())
    }

    /// Asks the store, and goes on asking while another process runs the call. `None` when another call of this process goes
    /// before this one.
    async fn lead(
        &mut self,
        slot: &Slot,
        patience: &mut Patience,
        mut last: LastHeard,
    ) -> Result<Option<Begin>, Error> {
        if self.given_back {
            self.give_way().await;
            // What may have been given back cannot be asked for with the same token, nor with another one while it may not.
            if self.given_back {
                return Err(self.op.in_progress(Duration::ZERO, self.op.lease));
            }
        }
        let owner = match self.stage {
            // Its lease ran out before the body began; it may still be this call's.
            Stage::Granted(lease) => lease.owner,
            // The way back to a record is one claim until it is granted, for it may be so by now, and must not be met as a stranger.
            Stage::Claiming(owner, _) if self.ending.is_some() => *self.way_back.insert(owner),
            _ if self.ending.is_some() => *self.way_back.get_or_insert_with(Owner::random),
            _ => Owner::random(),
        };
        let claim = Claim::new(owner, self.op.lease, self.op.ttl)
            .fingerprint(self.op.fingerprint)
            .at_most_once(self.op.at_most_once)
            // A call that knows its own outcome runs nothing: it has one to record.
            .reconciling(self.op.reconciling || self.ending.is_some());
        let mut backoff = Backoff::waiting();
        let mut waited = false;
        // There while the store is asked, too: news that comes then is news.
        let engine = Arc::clone(&self.engine);
        let key = self.op.key.clone();
        let changed = || Box::pin(wait::hint(async { engine.store.changed(&key).await }));
        let mut hint = None;
        loop {
            if waited && self.ending.is_none() && self.engine.calls.are_draining() {
                return Err(self.op.shutting_down());
            }
            // Another call of this process overtook this one and may know of a success: follow it instead of claiming.
            if waited && self.ending.is_none() && !slot.is_first() {
                return Ok(None);
            }
            let timer = Timer::start();
            let (sent, answer) = self.claim(&claim).await;
            self.watch.took(Took::Claim, timer);
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => return self.unanswered(slot, error, last).map(Some),
            };
            match answer {
                // This call was not polled while the answer lay there, and the key may be somebody else's by now.
                // It is asked for again, or withdrawn.
                Claimed::Granted(_) if later(sent, self.op.lease) <= Instant::now() => {
                    self.stage = Stage::Claiming(owner, sent);
                }
                Claimed::Granted(grant) => {
                    let (fence, after_unknown) = (grant.fence, grant.after_unknown);
                    self.stage = Stage::Granted(Lease { owner, sent, fence, after_unknown });
                    self.way_back = None;
                    self.run.grant(Granted { attempt: grant.attempt, fence: grant.fence });
                    self.watch.granted(grant.attempt);
                    if after_unknown {
                        self.watch.happened(Happened::TakenOver);
                    }
                    let running = Running::ours(sent, later(sent, self.op.lease), grant.fingerprint);
                    // A call that knows its own outcome runs nothing beside anybody.
                    if !slot.granted(running) && self.ending.is_none() {
                        if slot.is_beside_success() {
                            self.give_way().await;
                            return Ok(None);
                        }
                        return Err(self.op.in_progress(Duration::ZERO, self.op.lease));
                    }
                    return Ok(Some(Begin::Run));
                }
                Claimed::Completed(completed) => {
                    let kind = if waited { Kind::Attached } else { Kind::Replayed };
                    let answer = self.answer(&completed, kind).map(Some);
                    slot.found(completed, kind);
                    return answer;
                }
                Claimed::Reused => return Err(self.op.key_reused()),
                Claimed::Indeterminate { attempt } => return Err(self.op.indeterminate(attempt)),
                Claimed::Running { lease_left, age, .. } if patience.is_over() => {
                    return Err(self.op.in_progress(age, lease_left));
                }
                Claimed::Running { lease_left, age, fingerprint } => {
                    waited = true;
                    last = LastHeard::Owner;
                    let now = Instant::now();
                    // Whoever follows this call hears of it again after its next question.
                    let heard_until = later(now, LONGEST + self.op.store_timeout);
                    slot.running(Running::theirs(now, age, later(now, lease_left), heard_until, fingerprint));
                    let pause = later(now, backoff.next().min(lease_left)).min(patience.until());
                    if wait::until(hint.get_or_insert_with(changed), || pause).await.is_some() {
                        // The next one begins before the next question.
                        if wait::is_there(hint.insert(changed())).await {
                            hint = None;
                        }
                    }
                    // A store may hint as often as it likes; it is not asked more often for that.
                    sleep_until(later(sent, SHORTEST).min(pause)).await;
                }
            }
        }
    }

    /// Gives the key back to a success that this process knows of. If that is not answered, it is said again: before this call
    /// asks for the key once more, or at its end.
    ///
    /// It is rare, and would be the most of a call that waits.
    fn give_way(&mut self) -> Boxed<'_, ()> {
        Box::pin(async {
            self.given_back = self.send(&Ending::Withdrawn).await.is_err();
            if !self.given_back {
                self.stage = Stage::Outside;
            }
        })
    }

    /// Without the store's answer the body does not run, unless that was chosen; and even so not beside an owner's.
    fn unanswered(&mut self, slot: &Slot, error: StoreError, last: LastHeard) -> Result<Begin, Error> {
        // What this build cannot read is an answer.
        if !self.may_fail_open() || error.is_unreadable() {
            // Who waits for a success to land goes on waiting.
            if self.ending.is_none() {
                slot.silent(error.clone());
            }
            return Err(self.op.store(error));
        }
        if last == LastHeard::Owner || !slot.unguarded(&self.op) {
            return Err(self.op.in_progress(Duration::ZERO, self.op.lease));
        }
        self.unguarded = true;
        // A grant of before the body is over, and says nothing of this run.
        self.run.grant(Granted::default());
        Ok(Begin::RunUnguarded)
    }

    fn may_fail_open(&self) -> bool {
        // A call that knows its own outcome runs nothing.
        self.engine.settings.fail_open && !self.op.at_most_once && self.ending.is_none()
    }

    /// Sends a claim until it is answered. It is one claim, however often it is sent.
    async fn claim(&mut self, claim: &Claim) -> (Instant, Result<Claimed, StoreError>) {
        let Self { engine, op, stage, watch, .. } = self;
        // One that was granted before may be so still.
        let mut known = matches!(stage, Stage::Outside);
        let mut sent = None;
        let send = |now| {
            sent = Some(now);
            *stage = Stage::Claiming(claim.owner, now);
            engine.store.claim(&op.key, claim)
        };
        let answer = wait::insist(op.store_timeout, send, |error| {
            watch.store_failed("claim", error);
            known &= error.applied() == Applied::No;
        });
        let answer = answer.await;
        if answer.is_ok() || known {
            self.stage = Stage::Outside;
        }
        (sent.unwrap_or_else(Instant::now), answer)
    }

    fn answer(&self, completed: &Completed, kind: Kind) -> Result<Begin, Error> {
        let request = self.op.request();
        let payload = recorded(request, completed).map_err(|refused| refused.error(request))?;
        Ok(Begin::Answer(payload, kind))
    }
}
