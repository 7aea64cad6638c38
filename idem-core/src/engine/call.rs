//! A guarded call from its claim to its record: `acquire` claims the key, `run_body` runs the body, `record` sends the outcome
//! to the store, and `dropped` ends a call that its caller dropped. The call keeps its state as a [`Phase`].

use std::future::{poll_fn, Future};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::heartbeat::{Beat, Heartbeat};
use super::inflight::{Conflict, Followed, Joined, Lead, Running};
use super::phase::{Lease, Limit, NextStep, Pending, Phase, Purpose, Recording, Standing};
use super::{replayable, Engine};
use crate::clock::{later, sleep_until, Instant};
use crate::context::{Granted, Run};
use crate::drain::UnderWay;
use crate::error::{Applied, Error, StoreError};
use crate::operation::Operation;
use crate::outcome::Kind;
use crate::record::{Completed, Completion, Owner, Payload};
use crate::retry::{self, Backoff, Patience, LONGEST_PAUSE, SHORTEST_PAUSE};
use crate::telemetry::{CallSpan, Event, Timer, Timing};
use crate::transition::{Claim, Claimed, Ending, Finish, Ownership};

/// A call with a key that `Engine::peek` did not answer.
pub(crate) struct Call {
    pub(super) engine: Arc<Engine>,
    pub(super) op: Operation,
    /// What `current()` shows to the body.
    pub(super) run: Arc<Run>,
    pub(super) span: CallSpan,
    pub(super) phase: Phase,
    lead: Option<Arc<Lead>>,
    heartbeat: Option<Heartbeat>,
    /// Makes `drain` wait for this call, from its first claim on.
    under_way: Option<UnderWay>,
}

/// The result of `acquire`.
pub(super) enum Acquired {
    /// The store granted the lease.
    Granted,
    /// The store did not answer, and the body runs without a lease (`fail_open`).
    Unguarded,
    /// The operation has this recorded result; the body does not run.
    Recorded(Payload, Kind),
}

/// The result of `record`.
enum Recorded {
    /// There is nothing left to record.
    Done,
    /// Another call took over and recorded this result. The caller gets it instead of its own.
    Theirs(Payload),
    /// The store did not acknowledge the outcome in time.
    NotYet,
}

/// Whether the caller waits for `record`.
#[derive(PartialEq, Eq)]
enum Caller {
    Waits,
    Gone,
}

/// A boxed part of a call. Boxing keeps the caller's future small: it holds the body, the result and little more.
pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Call {
    pub(super) fn new(engine: Arc<Engine>, op: Operation) -> Self {
        let run = Run::new(engine.id(), op.key.clone());
        let span = CallSpan::new(op.name.clone(), &op.key);
        Self { engine, op, run, span, phase: Phase::Idle, lead: None, heartbeat: None, under_way: None }
    }

    // ---- Up to the grant: the table "What the call is doing" in docs/design.md. ----

    /// Claims the key in order to run the body.
    pub(super) async fn begin(&mut self) -> Result<Acquired, Error> {
        let mut patience = Patience::new(self.op.wait);
        let acquired = self.acquire(Purpose::Run, &mut patience).await;
        if let Some(began) = patience.began() {
            self.span.record_duration(Timing::Wait, began);
        }
        acquired
    }

    /// Leads or follows until the store grants the lease, a recorded result is found, or the call is refused.
    async fn acquire(&mut self, purpose: Purpose, patience: &mut Patience) -> Result<Acquired, Error> {
        let mut owner_seen = false;
        loop {
            match self.join(purpose) {
                Joined::Lead(lead) => {
                    if self.under_way.is_none() {
                        self.under_way = Some(self.engine.calls.enter().ok_or_else(|| self.op.shutting_down())?);
                    }
                    self.lead = Some(Arc::clone(&lead));
                    // Boxed so that followers, of which there may be thousands, do not carry the leader's state.
                    let claimed: Boxed<'_, _> =
                        Box::pin(self.claim_until_answered(&lead, purpose, patience, owner_seen));
                    if let Some(acquired) = claimed.await? {
                        return Ok(acquired);
                    }
                }
                Joined::Follow(flight) => match flight.follow(&self.op, patience, self.may_fail_open(purpose)).await? {
                    Followed::Completed(completed, kind) => return self.replay(completed, kind),
                    Followed::LeaderGone { owner_seen: seen } => owner_seen = seen.unwrap_or(owner_seen),
                },
            }
        }
    }

    fn join(&mut self, purpose: Purpose) -> Joined {
        // Longer than a claim takes to fail. A leader that is polled publishes the answer before that.
        let silence = self.op.store_timeout + LONGEST_PAUSE;
        match &self.lead {
            Some(lead) if !purpose.runs() => self.engine.in_flight.rejoin(lead, purpose),
            _ => {
                // Ends the flight of this call; otherwise the call could follow itself.
                self.lead = None;
                self.engine.in_flight.join(&self.op.key, purpose, |now| later(now, silence))
            }
        }
    }

    fn may_fail_open(&self, purpose: Purpose) -> bool {
        purpose.may_fail_open(self.engine.settings.fail_open, self.op.at_most_once)
    }

    /// Sends claims until one is granted, answered or refused. `None` if this call must join again, because another call of
    /// this process overtook it or has a success.
    async fn claim_until_answered(
        &mut self,
        lead: &Lead,
        purpose: Purpose,
        patience: &mut Patience,
        mut owner_seen: bool,
    ) -> Result<Option<Acquired>, Error> {
        self.withdraw_yielded().await?;
        let owner = purpose.token(self.phase.token(), Owner::random);
        let claim = Claim::new(owner, self.op.lease, self.op.ttl)
            .fingerprint(self.op.fingerprint)
            .at_most_once(self.op.at_most_once)
            .reconciling(purpose.takes_over_unknown(self.op.reconciling));
        let (engine, key) = (Arc::clone(&self.engine), self.op.key.clone());
        let changed = || Box::pin(retry::notification(async { engine.store.changed(&key).await }));
        let (mut notification, mut backoff, mut waited, mut is_first) = (None, Backoff::polling(), false, true);
        loop {
            // A call that has waited must not begin its body after `drain`; a call that records a success goes on. Tests:
            // `no_waiting_call_begins_its_body_after_drain`, `success_lease_lost_while_draining__recorded_all_the_same`.
            if !std::mem::take(&mut is_first) && purpose.runs() {
                if self.engine.calls.are_draining() {
                    return Err(self.op.shutting_down());
                }
                if !lead.is_current() {
                    return Ok(None);
                }
            }
            let timer = Timer::start();
            let (sent, answer) = self.claim(&claim).await;
            self.span.record_duration(Timing::Claim, timer);
            match answer {
                // The store failed while this call waits for another one: claim again until `patience` ends, because the store
                // may answer before that. The last claim was sent for `store_timeout`, so the next one needs no pause.
                Err(error) if purpose.runs() && error.is_retryable() && patience.is_waiting() => {
                    lead.still_claims(later(Instant::now(), LONGEST_PAUSE + self.op.store_timeout));
                }
                Err(error) => return self.refuse_or_run_unguarded(lead, purpose, owner, error, owner_seen).map(Some),
                // This call was not polled until the lease had expired: claim again with the same token.
                Ok(Claimed::Granted(_)) if later(sent, self.op.lease) <= Instant::now() => {
                    self.phase.claim_sent(Pending { owner, until: later(sent, self.op.lease) });
                }
                Ok(Claimed::Granted(grant)) => {
                    let valid_until = later(sent, self.op.lease);
                    let (fence, after_unknown) = (grant.fence, grant.after_unknown);
                    self.phase.claim_granted(Lease { owner, fence, valid_until, after_unknown });
                    self.heartbeat = Some(Heartbeat::new(sent, self.op.lease));
                    self.run.grant(Granted { attempt: grant.attempt, fence });
                    self.span.granted(grant.attempt);
                    if after_unknown {
                        self.span.event(Event::TakenOver);
                    }
                    return match lead.publish(purpose, Running::here(sent, valid_until, grant.fingerprint)) {
                        Ok(()) => Ok(Some(Acquired::Granted)),
                        Err(Conflict::LocalSuccess) => {
                            self.phase.yield_key();
                            // If the store does not acknowledge the withdrawal, this call sends it again before its next claim,
                            // or when it is dropped.
                            let _ = self.withdraw_yielded().await;
                            Ok(None)
                        }
                        Err(Conflict::LocalUnguarded) => Err(self.in_progress()),
                    };
                }
                Ok(Claimed::Completed(completed)) => {
                    let kind = if waited { Kind::Attached } else { Kind::Replayed };
                    let replay = self.replay(completed.clone(), kind).map(Some);
                    lead.found(completed, kind);
                    return replay;
                }
                Ok(Claimed::Reused) => return Err(self.op.key_reused()),
                Ok(Claimed::Indeterminate { attempt }) => return Err(self.op.indeterminate(attempt)),
                Ok(Claimed::Running { lease_left, age, .. }) if patience.is_over() => {
                    return Err(self.op.in_progress(age, lease_left));
                }
                Ok(Claimed::Running { lease_left, age, fingerprint }) => {
                    (waited, owner_seen) = (true, true);
                    let now = Instant::now();
                    // This call pauses for at most `LONGEST_PAUSE`, claims again, and then publishes a later `stale_at`.
                    let stale_at = later(now, LONGEST_PAUSE + self.op.store_timeout);
                    lead.running(Running::elsewhere(now, age, later(now, lease_left), stale_at, fingerprint));
                    let pause = later(now, backoff.next().min(lease_left)).min(patience.until());
                    if retry::until(notification.get_or_insert_with(changed), || pause).await.is_some() {
                        // Subscribe before the claim; otherwise a change during the round trip is missed.
                        if retry::poll_once(notification.insert(changed())).await {
                            notification = None;
                        }
                    }
                    // However often the store notifies, this call claims at most once every `SHORTEST_PAUSE`.
                    sleep_until(later(sent, SHORTEST_PAUSE).min(pause)).await;
                }
            }
        }
    }

    /// Sends a claim until the store answers, for up to `store_timeout`. All copies have one token, so the store treats them as
    /// one claim. Also returns when the last copy was sent.
    async fn claim(&mut self, claim: &Claim) -> (Instant, Result<Claimed, StoreError>) {
        let Self { engine, op, phase, span, .. } = self;
        // If the store may have granted an earlier claim of this call, the failure of this one does not change that.
        let mut nothing_held = !matches!(phase, Phase::Claiming(_) | Phase::Granted(_))
            && !matches!(phase, Phase::Recording(Recording { standing: Standing::Pending(_), .. }));
        let mut sent = None;
        let send = |now| {
            sent = Some(now);
            phase.claim_sent(Pending { owner: claim.owner, until: later(now, op.lease) });
            engine.store.claim(&op.key, claim)
        };
        let answer = retry::retry_until(op.store_timeout, send, |error| {
            span.store_failed("claim", error);
            nothing_held &= error.applied() == Applied::No;
        });
        let answer = answer.await;
        if answer.is_ok() || nothing_held {
            self.phase.claim_refused();
        }
        (sent.unwrap_or_else(Instant::now), answer)
    }

    /// Withdraws a grant, because another call of this process has a success to record. Until the store acknowledges the
    /// withdrawal, a claim with the same token could be mistaken for the withdrawn one, so the call is refused.
    async fn withdraw_yielded(&mut self) -> Result<(), Error> {
        let Phase::Yielding(lease) = self.phase else { return Ok(()) };
        let finish = Finish::new(lease.owner, Ending::Withdrawn).fence(Some(lease.fence));
        // Boxed because it is rare and would be the largest part of a waiting call.
        let sent: Boxed<'_, _> = Box::pin(self.send(&finish));
        if sent.await.is_err() {
            return Err(self.in_progress());
        }
        self.phase = Phase::Idle;
        Ok(())
    }

    /// The store did not answer the claim. The call is refused, unless `fail_open` is set and no other body of the key may be
    /// running: then the body runs unguarded.
    fn refuse_or_run_unguarded(
        &mut self,
        lead: &Lead,
        purpose: Purpose,
        token: Owner,
        error: StoreError,
        owner_seen: bool,
    ) -> Result<Acquired, Error> {
        // A record that this build cannot read is an answer, so the body does not run.
        if !self.may_fail_open(purpose) || error.is_unreadable() {
            // If this call records a success, its followers go on waiting for it.
            if purpose.runs() {
                lead.store_failed(error.clone());
            }
            return Err(self.op.store(error));
        }
        if owner_seen || !lead.publish_unguarded(self.op.fingerprint) {
            return Err(self.in_progress());
        }
        self.phase.run_unguarded(token);
        // `current()` must not show the attempt and the fencing token of an earlier grant.
        self.run.grant(Granted::default());
        Ok(Acquired::Unguarded)
    }

    fn in_progress(&self) -> Error {
        self.op.in_progress(Duration::ZERO, self.op.lease)
    }

    fn replay(&self, completed: Completed, kind: Kind) -> Result<Acquired, Error> {
        replayable(self.op.request(), completed).map(|payload| Acquired::Recorded(payload, kind))
    }

    /// Runs the body to its end. Renews the lease from the body's first `Pending` on, while this future is polled.
    pub(super) async fn run_body<F: Future>(&mut self, body: Pin<&mut F>) -> F::Output {
        self.phase.body_started();
        if self.phase.is_unguarded() {
            self.engine.count_unguarded_run();
        }
        let timer = Timer::start();
        let output = self.poll_part(body).await;
        self.span.record_duration(Timing::Body, timer);
        output
    }

    /// Polls a part of this call (the body, or `reconcile`) to its end and renews the lease meanwhile.
    pub(super) async fn poll_part<F: Future>(&mut self, mut part: Pin<&mut F>) -> F::Output {
        poll_fn(|cx| {
            let Self { run, span, .. } = self;
            let output = span.poll(|| run.poll(|| part.as_mut().poll(cx)));
            if output.is_pending() {
                self.poll_heartbeat(cx);
            }
            output
        })
        .await
    }

    /// Awaits `work` and renews the lease meanwhile.
    async fn while_renewing<T>(&mut self, mut work: impl Future<Output = T> + Unpin) -> T {
        poll_fn(|cx| {
            let output = Pin::new(&mut work).poll(cx);
            if output.is_pending() {
                self.poll_heartbeat(cx);
            }
            output
        })
        .await
    }

    fn poll_heartbeat(&mut self, cx: &mut Context<'_>) {
        while let (true, Some(lease), Some(heartbeat)) =
            (self.phase.is_renewed(), self.phase.lease(), &mut self.heartbeat)
        {
            let valid_until = lease.valid_until;
            let Poll::Ready(beat) = heartbeat.poll(&self.engine.store, &self.op, lease.owner, cx) else { return };
            self.beat(beat, valid_until);
        }
    }

    fn beat(&mut self, Beat { sent, answer, late }: Beat, valid_until: Instant) {
        if late > self.op.lease / 3 {
            self.span.event(Event::Starved(late));
        }
        match answer {
            Ok(Ownership::Held) => {
                let valid_until = later(sent, self.op.lease);
                self.phase.set_valid_until(valid_until);
                if let Some(lead) = &self.lead {
                    lead.renewed(valid_until);
                }
            }
            // `Lost` also when the store has applied the outcome and its answer did not arrive. That is not a lost lease. Test:
            // `no_lease_was_lost_where_the_ending_was_applied_and_its_answer_came_late`.
            Ok(Ownership::Lost) if matches!(self.phase, Phase::Recording(_)) => {}
            Ok(Ownership::Lost) => {
                self.phase.set_valid_until(sent);
                self.lease_lost();
            }
            Err(error) => {
                self.span.store_failed("renew", &error);
                // The lease has expired as far as this process knows. A later renewal may succeed, if no other call took over.
                if valid_until <= Instant::now() {
                    self.lease_lost();
                }
            }
        }
    }

    /// Reports the lost lease to the body (`Current::lost`) and to the log, once.
    fn lease_lost(&self) {
        if self.run.lose() {
            self.span.event(Event::LeaseLost);
        }
    }

    /// Whether the lease expired before the body began, as far as this process knows.
    pub(super) fn lease_expired_before_body(&self) -> bool {
        matches!(self.phase, Phase::Granted(lease) if lease.valid_until <= Instant::now())
    }

    /// Whether `reconcile` must be called before the body, because the outcome of the attempt before is unknown.
    pub(super) const fn must_reconcile(&self) -> bool {
        self.op.reconciling && matches!(self.phase, Phase::Granted(lease) if lease.after_unknown)
    }

    // ---- Recording the outcome: the table "What a drop sends" in docs/design.md. ----

    /// Keeps the outcome locally; `record` sends it to the store.
    pub(super) fn body_ended(&mut self, ending: Ending) {
        if let Ending::Completed(Completion::Unreplayable) = ending {
            self.span.event(Event::Unreplayable);
        }
        self.phase.body_ended(ending);
        match (&self.phase, &self.lead) {
            // Until the success is recorded, no other call of this process may run the body.
            (Phase::Recording(recording), Some(lead)) if recording.is_success() => lead.succeeded(),
            (Phase::Recording(recording), _) if recording.guarded => {}
            // The next call does not wait until the store acknowledges the withdrawal of an unguarded failure.
            _ => self.lead = None,
        }
    }

    /// Records the outcome, for up to `store_timeout`. If another call took over and recorded a result, returns that result:
    /// the caller gets it instead of its own.
    pub(super) async fn record_for_caller(&mut self) -> Option<Payload> {
        let timer = Timer::start();
        let recorded = self.record(self.op.store_timeout, Caller::Waits).await;
        self.span.record_duration(Timing::Ending, timer);
        self.run.end();
        match recorded {
            Recorded::Done => None,
            Recorded::Theirs(payload) => Some(payload),
            Recorded::NotYet => {
                self.span.event(Event::NotRecorded);
                None
            }
        }
    }

    /// Sends the outcome and renews the lease until the store acknowledges it, another call's result is found, or `limit` ends.
    async fn record(&mut self, limit: Duration, caller: Caller) -> Recorded {
        let until = later(Instant::now(), limit);
        let (mut patience, mut backoff) = (Patience::new(self.op.wait), Backoff::recording());
        let mut reclaimed = false;
        while let Phase::Recording(Recording { ending, standing, .. }) = &self.phase {
            let is_success = matches!(ending, Ending::Completed(_));
            let answered = match *standing {
                Standing::Lost { token } => Ok(NextStep::Reclaim(token)),
                Standing::Held(_) | Standing::Pending(_) => self.send_ending().await,
            };
            match answered {
                Ok(NextStep::Recorded) => return Recorded::Done,
                Ok(NextStep::LeaseLost) => return self.done(),
                // The store may never grant the claim, so the followers do not wait for it: the next call leads.
                Ok(NextStep::SendAgain) => self.lead = None,
                Ok(NextStep::Reclaim(token)) => {
                    let claimed: Boxed<'_, _> = Box::pin(self.acquire(Purpose::Record { token }, &mut patience));
                    match claimed.await {
                        // Only the first grant is used without a pause. Otherwise a store that grants every claim and answers
                        // every outcome with `Lost` is asked in a busy loop. Test:
                        // `a_store_that_grants_and_forgets_is_not_asked_without_a_pause`.
                        Ok(Acquired::Granted) if !std::mem::replace(&mut reclaimed, true) => continue,
                        // The owner that is in progress may be a claim of this process that is being withdrawn.
                        Ok(Acquired::Granted | Acquired::Unguarded)
                        | Err(Error::Store { .. } | Error::InProgress { .. }) => {}
                        Ok(Acquired::Recorded(payload, _)) => {
                            self.done();
                            return Recorded::Theirs(payload);
                        }
                        Err(_) => return self.done(),
                    }
                }
                Err(error) if error.is_retryable() => {}
                // The store refused for good. Only a success is sent again, in the background.
                Err(_) if !is_success => return self.done(),
                Err(_) if caller == Caller::Waits => return Recorded::NotYet,
                Err(_) => {}
            }
            let now = Instant::now();
            if until <= now {
                return Recorded::NotYet;
            }
            self.while_renewing(sleep_until(later(now, backoff.next()).min(until))).await;
        }
        Recorded::Done
    }

    /// Sends the outcome once. If the store refuses a result for good, sends the success without it.
    async fn send_ending(&mut self) -> Result<NextStep, StoreError> {
        let Phase::Recording(Recording { ending, standing, .. }) = &self.phase else { return Ok(NextStep::Recorded) };
        let (mut ending, standing) = (ending.clone(), *standing);
        let mut answer = self.send_as(ending.clone(), standing).await;
        if let (Err(error), Ending::Completed(Completion::Result(_))) = (&answer, &ending) {
            if !error.is_retryable() {
                if let Phase::Recording(recording) = &mut self.phase {
                    recording.ambiguous = true;
                }
                let without = Ending::Completed(Completion::Unreplayable);
                if let Ok(held) = self.send_as(without.clone(), standing).await {
                    self.span.store_failed("finish", error);
                    if held == Ownership::Held {
                        self.span.event(Event::Unreplayable);
                    }
                    (answer, ending) = (Ok(held), without);
                }
            }
        }
        match &answer {
            Ok(Ownership::Lost) if matches!(standing, Standing::Held(_)) => self.lease_lost(),
            Err(error) => self.span.store_failed("finish", error),
            Ok(_) => {}
        }
        let (answer, now) = (answer?, Instant::now());
        let Phase::Recording(recording) = &mut self.phase else { return Ok(NextStep::Recorded) };
        let answered = recording.answered(answer, now, Owner::random);
        if answered == NextStep::Recorded {
            self.recorded(ending);
        }
        Ok(answered)
    }

    async fn send_as(&mut self, ending: Ending, standing: Standing) -> Result<Ownership, StoreError> {
        let finish = Finish::new(standing.token(), ending).fence(standing.fence());
        match self.send(&finish).await? {
            // In this order: another call took over and failed; a late copy of this call's claim was granted, with a new
            // fencing token; this success got `Lost` because of its old one. No body runs under the new grant, so the
            // success is recorded there. Tests: tests/behaviour/copies.rs.
            Ownership::Lost if finish.fence.is_some() && matches!(finish.ending, Ending::Completed(_)) => {
                self.send(&finish.fence(None)).await
            }
            answer => Ok(answer),
        }
    }

    async fn send(&mut self, finish: &Finish) -> Result<Ownership, StoreError> {
        let (store, key, limit) = (Arc::clone(&self.engine.store), self.op.key.clone(), self.op.store_timeout);
        let answer = pin!(async { store.finish(&key, finish).await });
        let answer = pin!(retry::answer(answer, limit));
        self.while_renewing(answer).await
    }

    /// The store acknowledged the outcome. Followers get the result, unless this call does not know what the store recorded
    /// (`ambiguous`) or, without an answer to its claim, which fingerprint the record has.
    fn recorded(&mut self, ending: Ending) {
        if let (
            Phase::Recording(Recording { standing: Standing::Held(_), ambiguous: false, .. }),
            Some(lead),
            Ending::Completed(completion),
        ) = (&self.phase, &self.lead, ending)
        {
            lead.recorded(completion, self.op.ttl);
        }
        self.done();
    }

    fn done(&mut self) -> Recorded {
        self.phase = Phase::Done;
        self.lead = None;
        Recorded::Done
    }

    /// Ends a call that its caller dropped: sends the outcome that its phase requires. A store in memory has it when this
    /// returns. For other stores a background task sends it; if there is no executor to spawn on, the lease expires instead.
    pub(super) fn dropped(mut self: Box<Self>) {
        self.run.end();
        self.span.dropped();
        let limit = match self.phase.dropped() {
            None => return,
            Some(Limit::Lease) => self.op.lease,
            Some(Limit::Ttl) => self.op.ttl,
        };
        if matches!(&self.phase, Phase::Recording(recording) if !recording.guarded && !recording.is_success()) {
            self.lead = None;
        }
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.restart();
        }
        // The drop may be part of the unwinding after a panic of the body. A second panic would abort the process. Test:
        // `a_store_that_panics_in_a_drop_does_not_end_the_process`.
        let _ = catch_unwind(AssertUnwindSafe(move || {
            if !self.record_now() {
                let engine = Arc::clone(&self.engine);
                engine.spawn(Box::pin(async move {
                    if let Recorded::NotYet = self.record(limit, Caller::Gone).await {
                        self.span.event(Event::GaveUp);
                    }
                }));
            }
        }));
    }

    /// Sends the outcome and polls the request once: a store in memory answers at the first poll. Returns whether there is
    /// nothing left to record.
    fn record_now(&mut self) -> bool {
        let Phase::Recording(Recording { ending, standing, .. }) = &mut self.phase else { return true };
        if let Standing::Lost { .. } = standing {
            return false;
        }
        let finish = Finish::new(standing.token(), ending.clone()).fence(standing.fence());
        // A store that panics has not answered.
        let answer = catch_unwind(AssertUnwindSafe(|| {
            let mut answer = self.engine.store.finish(&self.op.key, &finish);
            answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        }));
        match (answer, *standing) {
            (Ok(Poll::Ready(Ok(Ownership::Held))), _) => self.recorded(finish.ending),
            (Ok(Poll::Ready(Ok(Ownership::Lost))), Standing::Held(_))
                if !matches!(finish.ending, Ending::Completed(_)) =>
            {
                self.done();
            }
            _ => return false,
        }
        true
    }
}
