//! Whether to run: the first table of the contract.

use std::sync::Arc;
use std::time::Duration;

use super::call::{Call, Stage};
use super::flight::{Followed, Place, Running, Slot};
use super::lease::Lease;
use super::wait::{self, Backoff, Patience, LONGEST};
use crate::clock::{later, Instant};
use crate::context::Run;
use crate::error::{Applied, Error};
use crate::outcome::Kind;
use crate::record::{Completed, Completion, Owner, Payload};
use crate::transition::{Claim, Claimed};

use super::Engine;
use crate::operation::Operation;

/// What a call does next.
#[derive(Debug)]
pub(crate) enum Begin {
    /// It runs the body.
    Run,
    /// It answers with a recorded result.
    Answer(Payload, Kind),
}

/// The answers that need no claim: a call from inside its own body, and a result this process has at hand.
pub(crate) fn at_once(engine: &Engine, op: &Operation) -> Result<Option<Payload>, Error> {
    if Run::is_inside(engine.id(), &op.key) {
        return Err(op.reentrant());
    }
    engine.store.peek(&op.key).map(|completed| recorded(op, completed)).transpose()
}

/// What a done operation answers to this call.
fn recorded(op: &Operation, completed: Completed) -> Result<Payload, Error> {
    match completed.completion {
        _ if !op.is_same_request(completed.fingerprint.as_ref()) => Err(op.key_reused()),
        Completion::Unreplayable => Err(op.unreplayable()),
        Completion::Result(payload) => Ok(payload),
    }
}

impl Call {
    /// Asks until the call runs, has an answer, or is refused.
    pub(crate) async fn begin(&mut self) -> Result<Begin, Error> {
        let mut patience = Patience::new(self.op.wait);
        loop {
            let timeout = self.op.store_timeout;
            match self.engine.flights.join(&self.op.key, |now| later(now, timeout)) {
                Place::Leader(slot) => {
                    self.enter()?;
                    let slot = Arc::clone(self.slot.insert(Arc::new(slot)));
                    return self.lead(&slot, &mut patience).await;
                }
                Place::Follower(flight) => match flight.follow(&self.op, &mut patience).await? {
                    Followed::Completed(completed, kind) => return self.answer(completed, kind),
                    Followed::Gone => {}
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

    /// Asks the store, and goes on asking while another process runs the call.
    pub(super) async fn lead(&mut self, slot: &Slot, patience: &mut Patience) -> Result<Begin, Error> {
        let claim = Claim::new(Owner::random(), self.op.lease, self.op.ttl).fingerprint(self.op.fingerprint);
        let mut backoff = Backoff::new();
        let mut waited = false;
        loop {
            let sent = Instant::now();
            self.stage = Stage::Claiming(claim.owner);
            let answer = wait::answer(self.engine.store.claim(&self.op.key, &claim), self.op.store_timeout).await;
            if !matches!(&answer, Err(error) if error.applied() == Applied::Unknown) {
                self.stage = Stage::Outside;
            }
            match answer.map_err(|error| self.op.store(error))? {
                // This call was not polled while the answer lay there, and the key may be somebody else's by now.
                Claimed::Granted(_) if later(sent, self.op.lease) <= Instant::now() => {
                    self.stage = Stage::Claiming(claim.owner);
                }
                Claimed::Granted(grant) => {
                    self.stage = Stage::Granted(Lease { owner: claim.owner, sent });
                    let lease_until = later(sent, self.op.lease);
                    slot.running(Running {
                        age: (Duration::ZERO, sent),
                        lease_until,
                        heard_until: lease_until,
                        fingerprint: grant.fingerprint,
                    });
                    return Ok(Begin::Run);
                }
                Claimed::Completed(completed) => {
                    let kind = if waited { Kind::Attached } else { Kind::Replayed };
                    slot.found(completed.clone(), kind);
                    return self.answer(completed, kind);
                }
                Claimed::Reused => return Err(self.op.key_reused()),
                Claimed::Abandoned { attempt } => return Err(self.op.indeterminate(attempt)),
                Claimed::Running { lease_left, age, .. } if patience.is_over() => {
                    return Err(self.op.in_progress(age, lease_left));
                }
                Claimed::Running { lease_left, age, fingerprint } => {
                    waited = true;
                    let now = Instant::now();
                    slot.running(Running {
                        age: (age, now),
                        lease_until: later(now, lease_left),
                        // Whoever follows this call hears of it again after its next question.
                        heard_until: later(now, LONGEST + self.op.store_timeout),
                        fingerprint,
                    });
                    let deadline = later(now, backoff.next().min(lease_left)).min(patience.until());
                    wait::until(self.engine.store.changed(&self.op.key), || deadline).await;
                }
            }
        }
    }

    fn answer(&self, completed: Completed, kind: Kind) -> Result<Begin, Error> {
        Ok(Begin::Answer(recorded(&self.op, completed)?, kind))
    }
}
