//! A guarded call from top to bottom: `acquire` asks whether to run, `run_body` runs, `record` writes the outcome down, and
//! `dropped` ends a call whose caller is gone. What it is doing is its [`Phase`].

use std::future::{poll_fn, Future};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::heartbeat::{Beat, Heartbeat};
use super::inflight::{Conflict, Followed, Joined, Lead, Running};
use super::phase::{Answered, Lease, Limit, Pending, Phase, Purpose, Recording, Standing};
use super::{replayable, Engine};
use crate::clock::{later, sleep_until, Instant};
use crate::context::{Granted, Run};
use crate::drain::UnderWay;
use crate::error::{Applied, Error, StoreError};
use crate::operation::Operation;
use crate::outcome::Kind;
use crate::record::{Completed, Completion, Owner, Payload};
use crate::retry::{self, Backoff, Patience, LONGEST, SHORTEST};
use crate::telemetry::{CallSpan, Event, Timer, Timing};
use crate::transition::{Claim, Claimed, Ending, Finish, Ownership};

/// A guarded call that was not answered at once.
pub(crate) struct Call {
    pub(super) engine: Arc<Engine>,
    pub(super) op: Operation,
    /// What the body may know of its call.
    pub(super) run: Arc<Run>,
    pub(super) span: CallSpan,
    pub(super) phase: Phase,
    lead: Option<Arc<Lead>>,
    heartbeat: Option<Heartbeat>,
    /// Counts this call as long as it may hold a key.
    under_way: Option<UnderWay>,
}

/// What `acquire` came to.
pub(super) enum Acquired {
    /// The key is this call's.
    Granted,
    /// The store did not answer, and the body may run all the same.
    Unguarded,
    /// The recorded result.
    Recorded(Payload, Kind),
}

/// What `record` came to.
enum Recorded {
    /// There is nothing left to do.
    Done,
    /// Another call's result is recorded, and goes before this call's own.
    Theirs(Payload),
    /// The store did not take it in time.
    NotYet,
}

/// Whether a caller waits for the record.
#[derive(PartialEq, Eq)]
enum Caller {
    Waits,
    Gone,
}

/// What goes on outside the caller's future, which so holds the user's body and result and little more.
pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Call {
    pub(super) fn new(engine: Arc<Engine>, op: Operation) -> Self {
        let run = Run::new(engine.id(), op.key.clone());
        let span = CallSpan::new(op.name.clone(), &op.key);
        Self { engine, op, run, span, phase: Phase::Idle, lead: None, heartbeat: None, under_way: None }
    }

    // ---- Whether to run: the first table of the contract. ----

    /// Claims the key in order to run the body.
    pub(super) async fn begin(&mut self) -> Result<Acquired, Error> {
        let mut patience = Patience::new(self.op.wait);
        let acquired = self.acquire(Purpose::Run, &mut patience).await;
        if let Some(began) = patience.began() {
            self.span.record_duration(Timing::Wait, began);
        }
        acquired
    }

    /// Leads or follows until this call has the key or an answer, or is refused.
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
        // Longer than a claim takes to fail: a leader that is alive tells its followers before.
        let silence = self.op.store_timeout + LONGEST;
        match &self.lead {
            Some(lead) if !purpose.runs() => self.engine.in_flight.rejoin(lead, purpose),
            _ => {
                // A call must not wait for itself.
                self.lead = None;
                self.engine.in_flight.join(&self.op.key, purpose, |now| later(now, silence))
            }
        }
    }

    fn may_fail_open(&self, purpose: Purpose) -> bool {
        purpose.may_fail_open(self.engine.settings.fail_open, self.op.at_most_once)
    }

    /// Sends claims until one is granted, answered or refused. `None` when another call of this process goes before this one.
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
                Err(error) => return self.unanswered(lead, purpose, owner, error, owner_seen).map(Some),
                // The answer waited for this call to be polled, and the lease is over: claim again, or withdraw.
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
                            // If the withdrawal is not answered, it is sent again before the next claim, or at the end.
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
                    // Followers hear of it again after the next claim.
                    let stale_at = later(now, LONGEST + self.op.store_timeout);
                    lead.running(Running::elsewhere(now, age, later(now, lease_left), stale_at, fingerprint));
                    let pause = later(now, backoff.next().min(lease_left)).min(patience.until());
                    if retry::until(notification.get_or_insert_with(changed), || pause).await.is_some() {
                        // Subscribe before the claim; otherwise a change during the round trip is missed.
                        if retry::poll_once(notification.insert(changed())).await {
                            notification = None;
                        }
                    }
                    // A store may notify as often as it likes; it is not asked more often for that.
                    sleep_until(later(sent, SHORTEST).min(pause)).await;
                }
            }
        }
    }

    /// Sends a claim until it is answered, for `store_timeout`. However often it is sent, it is one claim.
    async fn claim(&mut self, claim: &Claim) -> (Instant, Result<Claimed, StoreError>) {
        let Self { engine, op, phase, span, .. } = self;
        // A grant from before may still be in the store.
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

    /// The key was granted beside a success of this process and goes back. As long as the withdrawal is not answered, a claim
    /// with the same token could be mistaken for the withdrawn one, so the call is refused.
    async fn withdraw_yielded(&mut self) -> Result<(), Error> {
        let Phase::Yielding(lease) = self.phase else { return Ok(()) };
        let finish = Finish::new(lease.owner, Ending::Withdrawn).fence(Some(lease.fence));
        // Rare, and it would be the largest part of a call that waits.
        let sent: Boxed<'_, _> = Box::pin(self.send(&finish));
        if sent.await.is_err() {
            return Err(self.in_progress());
        }
        self.phase = Phase::Idle;
        Ok(())
    }

    /// Without the store's answer the body does not run, unless `fail_open` was chosen; and then not beside another body.
    fn unanswered(
        &mut self,
        lead: &Lead,
        purpose: Purpose,
        token: Owner,
        error: StoreError,
        owner_seen: bool,
    ) -> Result<Acquired, Error> {
        // A record that this build cannot read is an answer.
        if !self.may_fail_open(purpose) || error.is_unreadable() {
            // Those who wait for a success go on waiting.
            if purpose.runs() {
                lead.store_failed(error.clone());
            }
            return Err(self.op.store(error));
        }
        if owner_seen || !lead.publish_unguarded(self.op.fingerprint) {
            return Err(self.in_progress());
        }
        self.phase.run_unguarded(token);
        // A grant from before says nothing of this run.
        self.run.grant(Granted::default());
        Ok(Acquired::Unguarded)
    }

    fn in_progress(&self) -> Error {
        self.op.in_progress(Duration::ZERO, self.op.lease)
    }

    fn replay(&self, completed: Completed, kind: Kind) -> Result<Acquired, Error> {
        replayable(self.op.request(), completed).map(|payload| Acquired::Recorded(payload, kind))
    }

    // ---- The body. ----

    /// Runs the body to its end. The lease is renewed from the body's first pause on, for as long as this is polled.
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

    /// What `work` comes to, the lease renewed meanwhile.
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
            // After an ending that was applied and not answered, there is no lease either.
            Ok(Ownership::Lost) if matches!(self.phase, Phase::Recording(_)) => {}
            Ok(Ownership::Lost) => {
                self.phase.set_valid_until(sent);
                self.lease_lost();
            }
            Err(error) => {
                self.span.store_failed("renew", &error);
                // As far as this process knows. The store may still hold the lease, and renew it.
                if valid_until <= Instant::now() {
                    self.lease_lost();
                }
            }
        }
    }

    /// Tells the body and the log that the lease is lost, once.
    fn lease_lost(&self) {
        if self.run.lose() {
            self.span.event(Event::LeaseLost);
        }
    }

    /// Whether the lease ran out before the body began, as far as this process knows.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self.phase, Phase::Granted(lease) if lease.valid_until <= Instant::now())
    }

    /// Whether the key was granted only to find out what became of the attempt before.
    pub(super) const fn must_ask(&self) -> bool {
        self.op.reconciling && matches!(self.phase, Phase::Granted(lease) if lease.after_unknown)
    }

    // ---- How it ended: the second table of the contract. ----

    /// Keeps the outcome locally; `record` sends it to the store.
    pub(super) fn body_ended(&mut self, ending: Ending) {
        if let Ending::Completed(Completion::Unreplayable) = ending {
            self.span.event(Event::Unreplayable);
        }
        self.phase.body_ended(ending);
        match (&self.phase, &self.lead) {
            // No other call of this process runs the body while the success is not recorded.
            (Phase::Recording(recording), Some(lead)) if recording.is_success() => lead.succeeded(),
            (Phase::Recording(recording), _) if recording.guarded => {}
            // The next call need not wait for what an unguarded failure withdraws.
            _ => self.lead = None,
        }
    }

    /// Records the outcome, for as long as a caller waits for that. Returns the recorded result that goes before this call's own,
    /// if another call took over.
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

    /// Sends the outcome and renews the lease until the record says so, another call's result goes before it, or `limit` is over.
    async fn record(&mut self, limit: Duration, caller: Caller) -> Recorded {
        let until = later(Instant::now(), limit);
        let (mut patience, mut backoff) = (Patience::new(self.op.wait), Backoff::recording());
        let mut reclaimed = false;
        while let Phase::Recording(Recording { ending, standing, .. }) = &self.phase {
            let is_success = matches!(ending, Ending::Completed(_));
            let answered = match *standing {
                Standing::Lost { token } => Ok(Answered::Reclaim(token)),
                Standing::Held(_) | Standing::Pending(_) => self.send_ending().await,
            };
            match answered {
                Ok(Answered::Recorded) => return Recorded::Done,
                Ok(Answered::LeaseLost) => return self.done(),
                // The claim may never be granted: followers may as well ask the store themselves.
                Ok(Answered::SendAgain) => self.lead = None,
                Ok(Answered::Reclaim(token)) => {
                    let claimed: Boxed<'_, _> = Box::pin(self.acquire(Purpose::Record { token }, &mut patience));
                    match claimed.await {
                        // Once without a pause: a store that grants and forgets must not be asked again and again.
                        Ok(Acquired::Granted) if !std::mem::replace(&mut reclaimed, true) => continue,
                        Ok(Acquired::Granted | Acquired::Unguarded) | Err(Error::Store { .. }) => {}
                        Ok(Acquired::Recorded(payload, _)) => {
                            self.done();
                            return Recorded::Theirs(payload);
                        }
                        Err(_) => return self.done(),
                    }
                }
                Err(error) if error.is_retryable() => {}
                // Waiting does not change a refusal. A success is sent again later, in the background.
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

    /// Sends the ending once; and without its result, if the store refuses that for good.
    async fn send_ending(&mut self) -> Result<Answered, StoreError> {
        let Phase::Recording(Recording { ending, standing, .. }) = &self.phase else { return Ok(Answered::Recorded) };
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
        let Phase::Recording(recording) = &mut self.phase else { return Ok(Answered::Recorded) };
        let answered = recording.answered(answer, now, Owner::random);
        if answered == Answered::Recorded {
            self.recorded(ending);
        }
        Ok(answered)
    }

    async fn send_as(&mut self, ending: Ending, standing: Standing) -> Result<Ownership, StoreError> {
        let finish = Finish::new(standing.token(), ending).fence(standing.fence());
        match self.send(&finish).await? {
            // A copy of this call's own claim may have been granted since, under which nothing runs: the success counts.
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

    /// The record says how the body ended. Followers get the result, unless only the store knows which one it is, or for which
    /// request the claim was granted.
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

    /// Ends a call whose caller is gone, as its phase says. A store in memory knows before this returns; for others there must be
    /// something to spawn on, and without that the lease runs out.
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
        // This may be the drop of a body that panics: a second panic would end the process.
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

    /// Sends the ending to a store that answers at its first poll, as one in memory does. Says whether nothing is left to do.
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
