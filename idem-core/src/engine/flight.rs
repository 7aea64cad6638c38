//! The calls of this process, one slot a key: who leads asks the store, the others wait for the leader.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::wait::{self, Patience};
use crate::clock::{later, Instant};
use crate::error::{Error, StoreError};
use crate::fingerprint::Fingerprint;
use crate::key::{Key, Prehashed, Sharded};
use crate::operation::Operation;
use crate::outcome::Kind;
use crate::record::{Completed, Completion};
use crate::sync::{Mutex, MutexGuard};

/// All slots of an engine. A clone is the same.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Sharded<HashMap<Key, Arc<Flight>, Prehashed>>>);

/// A slot, as those who wait for its leader see it.
pub(super) struct Flight {
    state: Mutex<State>,
    /// For those who wait, once the state is another one.
    news: Notify,
    /// A leader that was not heard of in time, and that this one took the slot from. It may still be at work.
    behind: Option<Arc<Flight>>,
}

#[derive(Clone)]
enum State {
    /// The leader is asking the store. Not answered by `until`, it no longer counts.
    Claiming {
        until: Instant,
    },
    Running(Running),
    Ended(End),
}

/// What those who wait for a leader are left with.
#[derive(Clone)]
enum End {
    /// A recorded result, and how a waiter should call it.
    Recorded(Completed, Kind),
    /// The store would not answer them either.
    Silent(StoreError),
    /// Nothing: one of them leads next. What the leader heard of the key, if it had come so far.
    Nothing(Option<LastHeard>),
}

/// A call that has the key: the leader's own, or another process'.
#[derive(Clone)]
pub(super) struct Running {
    /// How long it had been running, at a moment.
    age: (Duration, Instant),
    /// When its lease is over, if it is not renewed.
    lease_until: Instant,
    /// Not heard of by then, it no longer counts.
    heard_until: Instant,
    fingerprint: Option<Fingerprint>,
    whose: Whose,
    /// A body of this process has ended with a success, and the record does not know yet. Until it does, whoever comes
    /// follows, whatever else is heard: nobody in this process runs the body again.
    done: bool,
}

/// In which process a body runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ours,
    /// Ours, without the store's answer.
    Unguarded,
    Theirs,
}

/// What was last heard of the key, by a call that has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastHeard {
    /// That somebody owns it.
    Owner,
    /// No more than this call's own leader said.
    Nobody,
}

/// A call's place in its key's slot.
pub(super) enum Place {
    Leader(Arc<Slot>),
    Follower(Arc<Flight>),
}

/// What became of the call that a follower waited for.
pub(super) enum Followed {
    Completed(Completed, Kind),
    /// It ended without a recorded result, or nothing is heard of it: the store knows more.
    Gone(Option<LastHeard>),
}

/// The leader's hold on its slot. Dropping it lets the next one lead.
pub(super) struct Slot {
    flights: Flights,
    key: Key,
    flight: Arc<Flight>,
}

impl Flights {
    /// How many keys have calls of this process.
    pub(super) fn count(&self) -> usize {
        self.0.each().map(|shard| shard.len()).sum()
    }

    /// Joins the key's slot: as its leader if there is none, or none that was heard of in time. Who knows of a success and has
    /// lost its slot takes another; everybody else waits for that one, whoever had the slot since.
    pub(super) fn join(&self, key: &Key, is_done: bool, claim_until: impl FnOnce(Instant) -> Instant) -> Place {
        let mut shard = self.0.lock(key);
        let now = Instant::now();
        let behind = match shard.get(key) {
            Some(flight) if !flight.is_overdue(now) => return Place::Follower(Arc::clone(flight)),
            Some(flight) => match flight.leaders().find(|flight| !is_done && flight.is_done()) {
                Some(done) => return Place::Follower(Arc::clone(done)),
                None => flight.at_work(),
            },
            None => None,
        };
        let state = State::Claiming { until: claim_until(now) };
        let flight = Arc::new(Flight { state: Mutex::new(state), news: Notify::new(), behind });
        shard.insert(key.clone(), Arc::clone(&flight));
        Place::Leader(Arc::new(Slot { flights: self.clone(), key: key.clone(), flight }))
    }
}

impl Flight {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_overdue(&self, now: Instant) -> bool {
        match &*self.state() {
            State::Claiming { until } | State::Running(Running { heard_until: until, .. }) => *until <= now,
            State::Ended(_) => true,
        }
    }

    /// This leader, and those that it took the slot from.
    fn leaders(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::successors(Some(self), |flight| flight.behind.as_ref())
    }

    /// The last leader that has not ended, this one or one behind it.
    fn at_work(self: &Arc<Self>) -> Option<Arc<Self>> {
        self.leaders().find(|flight| !matches!(&*flight.state(), State::Ended(_))).map(Arc::clone)
    }

    /// Whether a body runs in this process, or was heard of in another and may still have the key.
    fn is_running(&self) -> bool {
        match &*self.state() {
            State::Running(running) => {
                running.done || running.whose != Whose::Theirs || Instant::now() < running.lease_until
            }
            _ => false,
        }
    }

    fn is_done(&self) -> bool {
        matches!(&*self.state(), State::Running(Running { done: true, .. }))
    }

    fn runs_unguarded(&self) -> bool {
        matches!(&*self.state(), State::Running(Running { whose: Whose::Unguarded, .. }))
    }

    /// Waits for the leader: for its claim to be answered, then for its run, as long as patience lasts.
    pub(super) async fn follow(
        &self,
        op: &Operation,
        patience: &mut Patience,
        may_fail_open: bool,
    ) -> Result<Followed, Error> {
        let mut seen = None;
        loop {
            // Made before the state is looked at: whatever changes from then on is news.
            let news = pin!(self.news.notified());
            let state = self.state().clone();
            let deadline = match state {
                State::Ended(End::Recorded(completed, kind)) => return Ok(Followed::Completed(completed, kind)),
                State::Ended(End::Silent(_)) if may_fail_open => return Ok(Followed::Gone(seen)),
                State::Ended(End::Silent(error)) => return Err(op.store(error)),
                State::Ended(End::Nothing(heard)) => return Ok(Followed::Gone(heard.or(seen))),
                State::Claiming { until } => until,
                State::Running(running) if !op.is_same_request(running.fingerprint.as_ref()) => {
                    return Err(op.key_reused());
                }
                State::Running(running) if patience.is_over() => return Err(running.in_progress(op)),
                State::Running(running) => {
                    seen = Some(LastHeard::Owner);
                    running.heard_until.min(patience.until())
                }
            };
            if wait::until(news, || deadline).await.is_none() && self.is_overdue(Instant::now()) {
                return Ok(Followed::Gone(LastHeard::of(&self.state()).or(seen)));
            }
        }
    }
}

impl Running {
    pub(super) const fn ours(sent: Instant, lease_until: Instant, fingerprint: Option<Fingerprint>) -> Self {
        let age = (Duration::ZERO, sent);
        Self { age, lease_until, heard_until: lease_until, fingerprint, whose: Whose::Ours, done: false }
    }

    /// A run that nothing guards. It is heard of for as long as it has its slot.
    fn unguarded(op: &Operation) -> Self {
        let now = Instant::now();
        let whose = Whose::Unguarded;
        Self {
            heard_until: later(now, Duration::MAX),
            whose,
            ..Self::ours(now, later(now, Duration::MAX), op.fingerprint)
        }
    }

    pub(super) const fn theirs(
        now: Instant,
        age: Duration,
        lease_until: Instant,
        heard_until: Instant,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        Self { age: (age, now), lease_until, heard_until, fingerprint, whose: Whose::Theirs, done: false }
    }

    /// The same of a call that knows its own success. It is heard of for as long as it has its slot.
    fn and_done(self) -> Self {
        Self { heard_until: later(Instant::now(), Duration::MAX), done: true, ..self }
    }

    fn in_progress(&self, op: &Operation) -> Error {
        let now = Instant::now();
        let (age, at) = self.age;
        let age = age.saturating_add(now.saturating_duration_since(at));
        op.in_progress(age, self.lease_until.saturating_duration_since(now))
    }
}

impl LastHeard {
    /// From a leader that is not heard of itself. One that asks the store has heard nothing.
    fn of(state: &State) -> Option<Self> {
        matches!(state, State::Running(_)).then_some(Self::Owner)
    }
}

impl Slot {
    /// The claim was answered: a call is running. Those who knew that are not woken.
    pub(super) fn running(&self, running: Running) {
        let mut state = self.flight.state();
        let (known, done) = match &*state {
            State::Running(known) => (known.fingerprint == running.fingerprint, known.done),
            _ => (false, false),
        };
        *state = State::Running(if done { running.and_done() } else { running });
        drop(state);
        if !known {
            self.flight.news.notify_waiters();
        }
    }

    /// The key was granted. Refused where somebody in this process runs without it, for the leader slept over its slot, or
    /// knows of a success.
    pub(super) fn granted(&self, running: Running) -> bool {
        let shard = self.flights.0.lock(&self.key);
        let alone = !self.others(&shard).any(|flight| flight.runs_unguarded() || flight.is_done());
        if alone {
            self.running(running);
        }
        alone
    }

    /// Whether another call of this process knows of a success.
    pub(super) fn is_beside_success(&self) -> bool {
        self.others(&self.flights.0.lock(&self.key)).any(|flight| flight.is_done())
    }

    /// The other leaders of the key in this process: those that overtook this one, and those that it overtook.
    fn others<'a>(&'a self, shard: &'a HashMap<Key, Arc<Flight>, Prehashed>) -> impl Iterator<Item = &'a Arc<Flight>> {
        let leaders = shard.get(&self.key).into_iter().flat_map(Flight::leaders);
        leaders.filter(|flight| !Arc::ptr_eq(flight, &self.flight))
    }

    /// Takes the slot for a run that nothing guards. Refused where this process may have another body for the key.
    pub(super) fn unguarded(&self, op: &Operation) -> bool {
        let shard = self.flights.0.lock(&self.key);
        let mine = shard.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight));
        let alone = mine && !self.others(&shard).any(|flight| flight.is_running());
        if alone {
            self.running(Running::unguarded(op));
        }
        alone
    }

    /// The lease was renewed.
    pub(super) fn renewed(&self, lease_until: Instant) {
        if let State::Running(running) = &mut *self.flight.state() {
            running.lease_until = lease_until;
            if running.whose == Whose::Ours && !running.done {
                running.heard_until = lease_until;
            }
        }
    }

    /// The body has ended with a success. This process knows of it, and waits for the record to know, too.
    pub(super) fn done(&self) {
        // Who follows looks again at its own deadline.
        if let State::Running(running) = &mut *self.flight.state() {
            *running = running.clone().and_done();
        }
    }

    /// Whether this is the key's slot still, and nobody took it.
    pub(super) fn is_first(&self) -> bool {
        let first = self.flights.0.lock(&self.key).get(&self.key).map(Arc::clone);
        first.is_some_and(|flight| Arc::ptr_eq(&flight, &self.flight))
    }

    /// Takes the part of a slot that the same call had before.
    pub(super) fn instead_of(&self, before: &Self) {
        if Arc::ptr_eq(&self.flight, &before.flight) {
            return;
        }
        let state = before.flight.state().clone();
        if let State::Running(running) = state {
            self.running(running.and_done());
        }
    }

    /// When the lease is over that followers know of.
    pub(super) fn lease_until(&self) -> Option<Instant> {
        match &*self.flight.state() {
            State::Running(running) => Some(running.lease_until),
            _ => None,
        }
    }

    /// The leader's own run ended with a recorded result, for all who wait.
    pub(super) fn recorded(&self, completion: Completion, ttl: Duration) {
        let fingerprint = match &*self.flight.state() {
            State::Running(running) => running.fingerprint,
            _ => None,
        };
        self.found(Completed::new(fingerprint, completion, ttl), Kind::Attached);
    }

    /// The store had a recorded result, for all who wait.
    pub(super) fn found(&self, completed: Completed, kind: Kind) {
        self.end(End::Recorded(completed, kind));
    }

    /// The store did not answer the claim. All who waited for it have waited long enough.
    pub(super) fn silent(&self, error: StoreError) {
        self.end(End::Silent(error));
    }

    fn end(&self, end: End) {
        let mut shard = self.flights.0.lock(&self.key);
        // Another call may have taken the slot from a leader that was not heard of, and gives it back.
        if shard.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            match self.flight.behind.as_ref().and_then(Flight::at_work) {
                Some(behind) => shard.insert(self.key.clone(), behind),
                None => shard.remove(&self.key),
            };
        }
        // Seen to have ended before the lock is let go, or the one behind which this one stands would give the slot back to it.
        let mut state = self.flight.state();
        if !matches!(*state, State::Ended(_)) {
            *state = State::Ended(end);
            drop(state);
            // Who waits is woken when it is free.
            drop(shard);
            self.flight.news.notify_waiters();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let heard = match &*self.flight.state() {
            // This leader's own run is over; another process' may not be.
            State::Running(running) if running.whose == Whose::Theirs => Some(LastHeard::Owner),
            State::Running(_) => Some(LastHeard::Nobody),
            _ => None,
        };
        self.end(End::Nothing(heard));
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({:?})", self.key)
    }
}
