//! Single flight: of the calls of this process for one key, the leader asks the store, and the followers wait for the leader.
//!
//! A leader becomes stale if it does not publish in time, because it is not polled or the store does not answer it. The next
//! call overtakes it and leads, while the overtaken call may still run its body. So the entry of a key holds both, and every
//! question about other local calls is asked of the whole entry under one lock.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::phase::Purpose;
use crate::clock::{later, Instant};
use crate::error::{Error, StoreError};
use crate::fingerprint::Fingerprint;
use crate::key::{Key, Prehashed, Sharded};
use crate::operation::Operation;
use crate::outcome::Kind;
use crate::record::{Completed, Completion};
use crate::retry::{self, Patience};
use crate::sync::{Mutex, MutexGuard};

/// The calls in flight, by key. Clones share the map.
#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<Sharded<HashMap<Key, Entry, Prehashed>>>);

/// The leader of a key, and the leaders that were overtaken.
struct Entry {
    leader: Arc<Flight>,
    /// In the order in which they were overtaken.
    overtaken: Vec<Arc<Flight>>,
}

/// A leading call, as its followers see it.
pub(super) struct Flight {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    stage: Stage,
    /// The body has succeeded, and the store has not acknowledged that. Until it does, every new call that would run the body
    /// follows this flight.
    has_success: bool,
}

#[derive(Clone)]
enum Stage {
    /// The leader waits for the answer to its claim. It becomes stale at `stale_at`.
    Claiming {
        stale_at: Instant,
    },
    /// A body runs, here or in another process, or its outcome is being recorded.
    Running(Running),
    Ended(End),
}

/// How a flight ended for its followers.
#[derive(Clone)]
enum End {
    /// With a recorded result. The followers' answers have this `Kind`.
    Recorded(Completed, Kind),
    /// The store failed the leader's claim. Without `fail_open`, the followers get the same error.
    StoreFailed(StoreError),
    /// Without an answer: a follower leads next. `owner_seen` as in [`Followed::LeaderGone`].
    Nothing { owner_seen: Option<bool> },
}

/// A running body.
#[derive(Clone)]
pub(super) struct Running {
    /// How long the body had been running, and when that was measured.
    age: (Duration, Instant),
    lease_until: Instant,
    /// When the flight becomes stale, unless the leader publishes a renewal or another claim's answer before.
    stale_at: Instant,
    fingerprint: Option<Fingerprint>,
    body: Body,
}

/// Where a body runs: in this process, in this process without a lease, or in another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Here,
    HereUnguarded,
    Elsewhere,
}

/// Whether a call leads or follows.
pub(super) enum Joined {
    Lead(Arc<Lead>),
    /// The call waits for this flight: that of the leader, or of an overtaken call with a success.
    Follow(Arc<Flight>),
}

/// How a follower's wait ended.
pub(super) enum Followed {
    Completed(Completed, Kind),
    /// The leader ended without a recorded result, or is stale. `owner_seen` is `Some(true)` if an owner may still run its
    /// body, `Some(false)` if the leader's own body has ended, and `None` if the leader had no answer from the store.
    LeaderGone {
        owner_seen: Option<bool>,
    },
}

/// Why a call must not use its grant: what another call of this process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conflict {
    /// The other call has succeeded, and records its success.
    LocalSuccess,
    /// The other call runs the body without a lease.
    LocalUnguarded,
}

/// A leader's place in its entry. Its drop lets the next call lead.
pub(super) struct Lead {
    all: InFlight,
    key: Key,
    flight: Arc<Flight>,
}

impl InFlight {
    /// How many keys have calls in this process.
    pub(super) fn count(&self) -> usize {
        self.0.each().map(|shard| shard.len()).sum()
    }

    /// Joins the calls of the key. The call leads if there is no leader or a stale one, and follows otherwise. A call that
    /// would run a body also follows an overtaken call with a success.
    pub(super) fn join(&self, key: &Key, purpose: Purpose, stale_at: impl FnOnce(Instant) -> Instant) -> Joined {
        let mut shard = self.0.lock(key);
        let now = Instant::now();
        if let Some(flight) = shard.get(key).and_then(|entry| entry.to_follow(purpose, now)) {
            return Joined::Follow(flight);
        }
        let stage = Stage::Claiming { stale_at: stale_at(now) };
        let flight =
            Arc::new(Flight { state: Mutex::new(State { stage, has_success: false }), changed: Notify::new() });
        match shard.get_mut(key) {
            Some(entry) => entry.overtake(&flight),
            None => drop(shard.insert(key.clone(), Entry { leader: Arc::clone(&flight), overtaken: Vec::new() })),
        }
        Joined::Lead(Arc::new(Lead { all: self.clone(), key: key.clone(), flight }))
    }

    /// Like `join`, for a call that has led and has a success to record. It keeps its flight, so its followers keep waiting.
    pub(super) fn rejoin(&self, lead: &Arc<Lead>, purpose: Purpose) -> Joined {
        let mut shard = self.0.lock(&lead.key);
        if let Some(entry) = shard.get_mut(&lead.key).filter(|entry| !Arc::ptr_eq(&entry.leader, &lead.flight)) {
            if let Some(flight) = entry.to_follow(purpose, Instant::now()) {
                return Joined::Follow(flight);
            }
            entry.overtake(&lead.flight);
        }
        Joined::Lead(Arc::clone(lead))
    }
}

impl Entry {
    /// The flight that a new call follows; `None` if the new call leads.
    fn to_follow(&self, purpose: Purpose, now: Instant) -> Option<Arc<Flight>> {
        if !self.leader.can_be_overtaken(now) {
            return Some(Arc::clone(&self.leader));
        }
        let success = || self.overtaken.iter().find(|flight| flight.has_success());
        purpose.runs().then(success).flatten().map(Arc::clone)
    }

    fn overtake(&mut self, flight: &Arc<Flight>) {
        let leader = std::mem::replace(&mut self.leader, Arc::clone(flight));
        self.overtaken.push(leader);
        self.overtaken.retain(|other| !other.is_ended() && !Arc::ptr_eq(other, flight));
    }

    /// The other flights of the key that have not ended.
    fn others<'a>(&'a self, flight: &'a Arc<Flight>) -> impl Iterator<Item = &'a Arc<Flight>> {
        let all = std::iter::once(&self.leader).chain(&self.overtaken);
        all.filter(move |other| !Arc::ptr_eq(other, flight) && !other.is_ended())
    }
}

impl Flight {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ended(&self) -> bool {
        matches!(self.state().stage, Stage::Ended(_))
    }

    /// Whether this flight has ended, or another call may overtake it. A flight with a success does not become stale.
    fn can_be_overtaken(&self, now: Instant) -> bool {
        let state = self.state();
        match &state.stage {
            Stage::Ended(_) => true,
            Stage::Claiming { stale_at } | Stage::Running(Running { stale_at, .. }) => {
                !state.has_success && *stale_at <= now
            }
        }
    }

    fn has_success(&self) -> bool {
        let state = self.state();
        state.has_success && !matches!(state.stage, Stage::Ended(_))
    }

    fn runs_unguarded(&self) -> bool {
        matches!(&self.state().stage, Stage::Running(Running { body: Body::HereUnguarded, .. }))
    }

    /// Whether a body may be running or has succeeded: in this process, or in another process under a lease that has not
    /// expired, as far as the leader knows.
    fn may_run_a_body(&self, now: Instant) -> bool {
        let state = self.state();
        match &state.stage {
            Stage::Running(Running { body: Body::Elsewhere, lease_until, .. }) => {
                state.has_success || now < *lease_until
            }
            Stage::Running(_) => true,
            Stage::Claiming { .. } => state.has_success,
            Stage::Ended(_) => false,
        }
    }

    /// Waits for the leader: for the answer to its claim, then for the body until `patience` ends.
    pub(super) async fn follow(
        &self,
        op: &Operation,
        patience: &mut Patience,
        may_fail_open: bool,
    ) -> Result<Followed, Error> {
        let mut seen = None;
        loop {
            // Created before the state is read; otherwise a change between the two is missed.
            let changed = pin!(self.changed.notified());
            let (stage, has_success) = {
                let state = self.state();
                (state.stage.clone(), state.has_success)
            };
            let deadline = match stage {
                Stage::Ended(End::Recorded(completed, kind)) => return Ok(Followed::Completed(completed, kind)),
                Stage::Ended(End::StoreFailed(_)) if may_fail_open => {
                    return Ok(Followed::LeaderGone { owner_seen: seen })
                }
                Stage::Ended(End::StoreFailed(error)) => return Err(op.store(error)),
                Stage::Ended(End::Nothing { owner_seen }) => {
                    return Ok(Followed::LeaderGone { owner_seen: owner_seen.or(seen) })
                }
                Stage::Claiming { stale_at } => stale_at,
                Stage::Running(running) if !op.is_same_request(running.fingerprint.as_ref()) => {
                    return Err(op.key_reused());
                }
                Stage::Running(running) if patience.is_over() => return Err(running.in_progress(op)),
                Stage::Running(running) => {
                    seen = Some(true);
                    let patience = patience.until();
                    if has_success {
                        patience
                    } else {
                        running.stale_at.min(patience)
                    }
                }
            };
            if retry::until(changed, || deadline).await.is_none() && self.can_be_overtaken(Instant::now()) {
                let running = matches!(self.state().stage, Stage::Running(_));
                return Ok(Followed::LeaderGone { owner_seen: running.then_some(true).or(seen) });
            }
        }
    }
}

impl Running {
    /// The leader's own body. Its claim was sent at `sent`.
    pub(super) const fn here(sent: Instant, lease_until: Instant, fingerprint: Option<Fingerprint>) -> Self {
        let age = (Duration::ZERO, sent);
        Self { age, lease_until, stale_at: lease_until, fingerprint, body: Body::Here }
    }

    /// The leader's own body without a lease. It never becomes stale.
    fn unguarded(now: Instant, fingerprint: Option<Fingerprint>) -> Self {
        let never = later(now, Duration::MAX);
        Self { body: Body::HereUnguarded, ..Self::here(now, never, fingerprint) }
    }

    /// A body in another process.
    pub(super) const fn elsewhere(
        now: Instant,
        age: Duration,
        lease_until: Instant,
        stale_at: Instant,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        Self { age: (age, now), lease_until, stale_at, fingerprint, body: Body::Elsewhere }
    }

    fn in_progress(&self, op: &Operation) -> Error {
        let now = Instant::now();
        let (age, at) = self.age;
        let age = age.saturating_add(now.saturating_duration_since(at));
        op.in_progress(age, self.lease_until.saturating_duration_since(now))
    }
}

impl Lead {
    /// Whether this call is still the leader. An overtaken call joins again before its next claim.
    pub(super) fn is_current(&self) -> bool {
        let shard = self.all.0.lock(&self.key);
        shard.get(&self.key).is_some_and(|entry| Arc::ptr_eq(&entry.leader, &self.flight))
    }

    /// The store granted the lease: publishes that the body runs. Fails if another call of this process has a success or runs
    /// the body unguarded. Never fails for a call that runs no body. Checks and publishes under one lock, because otherwise two
    /// calls could both pass the check.
    pub(super) fn publish(&self, purpose: Purpose, running: Running) -> Result<(), Conflict> {
        let shard = self.all.0.lock(&self.key);
        if let (true, Some(entry)) = (purpose.runs(), shard.get(&self.key)) {
            let mut others = entry.others(&self.flight);
            if others.any(|other| other.has_success()) {
                return Err(Conflict::LocalSuccess);
            }
            if entry.others(&self.flight).any(|other| other.runs_unguarded()) {
                return Err(Conflict::LocalUnguarded);
            }
        }
        self.running(running);
        Ok(())
    }

    /// Publishes that the body runs unguarded, and returns `true`. Returns `false` if this call was overtaken, or another body
    /// of the key may be running: then the body must not run.
    pub(super) fn publish_unguarded(&self, fingerprint: Option<Fingerprint>) -> bool {
        let shard = self.all.0.lock(&self.key);
        let now = Instant::now();
        let alone = shard.get(&self.key).is_some_and(|entry| {
            Arc::ptr_eq(&entry.leader, &self.flight)
                && !entry.others(&self.flight).any(|other| other.may_run_a_body(now))
        });
        if alone {
            self.running(Running::unguarded(now, fingerprint));
        }
        alone
    }

    /// Publishes that a body runs. Wakes the followers only if this is new to them.
    pub(super) fn running(&self, running: Running) {
        let mut state = self.flight.state();
        let known = matches!(&state.stage, Stage::Running(known) if known.fingerprint == running.fingerprint);
        state.stage = Stage::Running(running);
        drop(state);
        if !known {
            self.flight.changed.notify_waiters();
        }
    }

    /// The store did not answer, and the leader claims again: its followers wait at least until `until`.
    pub(super) fn still_claims(&self, until: Instant) {
        if let Stage::Claiming { stale_at } | Stage::Running(Running { stale_at, .. }) = &mut self.flight.state().stage
        {
            *stale_at = until;
        }
    }

    /// Publishes that the lease was renewed.
    pub(super) fn renewed(&self, lease_until: Instant) {
        if let Stage::Running(running) = &mut self.flight.state().stage {
            running.lease_until = lease_until;
            running.stale_at = lease_until;
        }
    }

    /// Publishes that the body has succeeded. Followers are not woken: each reads it when its own deadline passes.
    pub(super) fn succeeded(&self) {
        self.flight.state().has_success = true;
    }

    /// Ends the flight with the leader's own result, which the store has recorded.
    pub(super) fn recorded(&self, completion: Completion, ttl: Duration) {
        let fingerprint = match &self.flight.state().stage {
            Stage::Running(running) => running.fingerprint,
            _ => None,
        };
        self.found(Completed::new(fingerprint, completion, ttl), Kind::Attached);
    }

    /// Ends the flight with a recorded result that the store returned.
    pub(super) fn found(&self, completed: Completed, kind: Kind) {
        self.end(End::Recorded(completed, kind));
    }

    /// Ends the flight with the store's error. The followers need not ask the store, because they waited as long as the leader.
    pub(super) fn store_failed(&self, error: StoreError) {
        self.end(End::StoreFailed(error));
    }

    fn end(&self, end: End) {
        let mut shard = self.all.0.lock(&self.key);
        let mut state = self.flight.state();
        let was_ended = matches!(state.stage, Stage::Ended(_));
        if !was_ended {
            state.stage = Stage::Ended(end);
        }
        drop(state);
        if let Some(entry) = shard.get_mut(&self.key) {
            entry.overtaken.retain(|flight| !flight.is_ended());
            if Arc::ptr_eq(&entry.leader, &self.flight) {
                match entry.overtaken.pop() {
                    Some(overtaken) => entry.leader = overtaken,
                    None => drop(shard.remove(&self.key)),
                }
            }
        }
        // Wakes the followers after the lock is released, because they take it next.
        drop(shard);
        if !was_ended {
            self.flight.changed.notify_waiters();
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let owner_seen = match &self.flight.state().stage {
            Stage::Running(running) => Some(running.body == Body::Elsewhere),
            _ => None,
        };
        self.end(End::Nothing { owner_seen });
    }
}
