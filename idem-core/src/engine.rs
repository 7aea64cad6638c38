//! A guarded call, from its claim to its record.
//!
//! [`phase`] is the state machine of a call, [`call`] drives it, and [`guard`] connects it with the types of the body.
//! [`inflight`] lets one call of this process lead and the other calls of the same key follow, [`heartbeat`] renews the lease,
//! and [`detach`] spawns tasks. [`results`](crate::results) encodes and decodes results.

mod call;
mod detach;
pub(crate) mod guard;
mod heartbeat;
mod inflight;
mod phase;

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use detach::Spawner;

use crate::codec::{Codec, Seal};
use crate::context::Run;
use crate::drain::Calls;
use crate::error::{Error, StoreError};
use crate::fingerprint::Fingerprint;
use crate::key::Key;
use crate::operation::{Operation, Request};
use crate::outcome::Kind;
use crate::record::{Completed, Completion, Payload, Record};
use crate::results::{Encoding, OutcomePolicy};
use crate::retry;
use crate::store::{List, Page, Store};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::telemetry::{self, CallOutcome};
use crate::transition::{Settle, Settled};
use guard::{refuse, Answer};
use inflight::InFlight;

/// What all calls of an `Idem` and its clones share.
pub(crate) struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) settings: Settings,
    pub(crate) spawner: Option<Spawner>,
    in_flight: InFlight,
    calls: Calls,
    /// How many bodies ran unguarded.
    unguarded: AtomicU64,
}

/// The settings of an `Idem`, from its builder.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) namespace: Box<str>,
    pub(crate) ttl: Duration,
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
    pub(crate) store_timeout: Duration,
    pub(crate) codec: Codec,
    pub(crate) seal: Option<Arc<dyn Seal>>,
    pub(crate) fail_open: bool,
    /// Whether every body runs unguarded (`Idem::disabled`).
    pub(crate) disabled: bool,
}

impl Settings {
    /// Refuses a TTL or a lease that is too short to protect a body.
    pub(crate) fn check(ttl: Duration, lease: Duration) -> Result<(), &'static str> {
        if ttl < Duration::from_millis(1) {
            Err("`ttl` must be at least 1 ms")
        } else if lease < Duration::from_millis(10) {
            Err("`lease` must be at least 10 ms")
        } else {
            Ok(())
        }
    }
}

impl Engine {
    pub(crate) fn new(store: Arc<dyn Store>, settings: Settings, spawner: Option<Spawner>) -> Self {
        Self {
            store,
            settings,
            spawner,
            in_flight: InFlight::default(),
            calls: Calls::default(),
            unguarded: AtomicU64::new(0),
        }
    }

    fn count_unguarded_run(&self) {
        self.unguarded.fetch_add(1, Ordering::Relaxed);
    }

    /// How many bodies ran unguarded.
    pub(crate) fn count_unguarded(&self) -> u64 {
        self.unguarded.load(Ordering::Relaxed)
    }

    /// Answers a call without a request to the store, if possible: `Reentrant` for a call from inside its own body, or a result
    /// in this process's memory.
    pub(crate) fn peek(&self, request: Request<'_>) -> Result<Option<Payload>, Error> {
        if Run::is_inside(self.id(), request.key) {
            return Err(Error::Reentrant { operation: request.name.clone() });
        }
        // A store that panics in `peek` counts as a store without the result.
        let look = || self.store.peek(request.key).map(|completed| replayable(request, completed));
        catch_unwind(AssertUnwindSafe(look)).unwrap_or_default().transpose()
    }

    /// Answers a call with the result that [`peek`](Self::peek) found.
    #[inline]
    pub(crate) fn replay<T, E>(
        &self,
        request: Request<'_>,
        payload: &Payload,
        policy: &OutcomePolicy<T, E>,
    ) -> Answer<T, E> {
        match self.decode(request, policy, payload) {
            Ok(recorded) => {
                telemetry::call_outcome(request.name, CallOutcome::Answered(Kind::Replayed));
                Ok((recorded, Kind::Replayed))
            }
            Err(error) => Err(refuse(error)),
        }
    }

    #[inline]
    fn decode<T, E>(
        &self,
        Request { name, key, .. }: Request<'_>,
        policy: &OutcomePolicy<T, E>,
        payload: &Payload,
    ) -> Result<Result<T, E>, Error> {
        let replayed = policy.replay(payload, self.encoding(key));
        replayed.map_err(|error| Error::Decode { operation: name.clone(), source: error.into() })
    }

    /// Accepts no new claims, waits up to `timeout` for the calls under way, and returns how many have not ended.
    pub(crate) async fn drain(&self, timeout: Duration) -> usize {
        self.calls.drain(timeout).await
    }

    /// Loads a record for an operator. A blank record counts as none.
    pub(crate) async fn load(&self, op: &Operation) -> Result<Option<Record>, Error> {
        let watch = |error: &StoreError| telemetry::store_failed(&op.name, "load", error);
        let answer = retry::retry_until(op.store_timeout, |_| self.store.load(&op.key), watch).await;
        let record = answer.map_err(|error| op.store(error))?;
        Ok(record.filter(|record| !record.is_blank()))
    }

    /// Loads one page of an operation's records, for an operator.
    pub(crate) async fn list(&self, name: Cow<'static, str>, list: &List) -> Result<Page, Error> {
        let mut page = self.ask(name, "list", self.store.list(list)).await?;
        // A store may return blank records; operators do not see them.
        page.records.retain(|listed| !listed.record.as_ref().is_ok_and(Record::is_blank));
        Ok(page)
    }

    /// Deletes up to `limit` expired records.
    pub(crate) async fn sweep(&self, limit: usize) -> Result<usize, Error> {
        self.ask("idem".into(), "sweep", self.store.sweep(limit)).await
    }

    async fn ask<T>(
        &self,
        operation: Cow<'static, str>,
        verb: &'static str,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Error> {
        let answer = retry::answer(pin!(answer), self.settings.store_timeout).await;
        answer.map_err(|source| {
            telemetry::store_failed(&operation, verb, &source);
            Error::Store { operation, source }
        })
    }

    /// Resolves, retries or forgets a record, for an operator.
    pub(crate) async fn settle(&self, op: &Operation, settle: &Settle) -> Result<Settled, Error> {
        let watch = |error: &StoreError| telemetry::store_failed(&op.name, "settle", error);
        let answer = retry::retry_until(op.store_timeout, |_| self.store.settle(&op.key, settle), watch).await;
        answer.map_err(|error| op.store(error))
    }

    /// The codec and the seal of this `Idem`, for results of `key`.
    pub(crate) fn encoding<'a>(&'a self, key: &'a Key) -> Encoding<'a> {
        Encoding { codec: self.settings.codec, seal: self.settings.seal.as_deref(), key }
    }

    /// Identifies this engine among the engines of this process.
    pub(crate) fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}

/// The recorded result, if this request has the same fingerprint and the result can be replayed.
#[inline]
fn replayable(request: Request<'_>, completed: Completed) -> Result<Payload, Error> {
    if !Fingerprint::same_request(request.fingerprint, completed.fingerprint.as_ref()) {
        return Err(Error::KeyReused { operation: request.name.clone() });
    }
    match completed.completion {
        Completion::Unreplayable => Err(Error::Unreplayable { operation: request.name.clone() }),
        Completion::Result(payload) => Ok(payload),
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("store", &self.store)
            .field("settings", &self.settings)
            .field("slots", &self.in_flight.count())
            .field("under_way", &self.calls.count())
            .finish_non_exhaustive()
    }
}
